"""Tables, plots, gallery and page."""
