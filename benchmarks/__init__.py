"""What the program costs: run by ``python -m benchmarks``, never by the tests, never installed."""
