"""The harness: it knows stages, arms and numbers, and knows no method by name."""

__version__ = "0.1.0"
