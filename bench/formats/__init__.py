"""Reading and writing image sets."""
