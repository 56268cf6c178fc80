"""Conformance checks for plug-ins of others: does a refiner, task, model or world keep its contract?

`bench selftest FILE.py` runs them on a mock world of 16 images, and so may the plug-in's own tests::

    failures = [result for result in selftest([Path("my_refiner.py")]) if result.state == "failed"]
"""

from bench.conformance.run import Result, selftest

__all__ = ["Result", "selftest"]
