"""Tasks: one folder each, with its models, its loss and its metrics."""
