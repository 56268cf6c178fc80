"""Seeds by axis: neither the arm nor the refiner is in them, so arms are paired (design, rule 4)."""

from __future__ import annotations

import hashlib


def derive(*axes: str | int) -> int:
    """Return a 63-bit seed that depends on nothing but ``axes``, the same in any process and in any order."""
    text = "\x1f".join(str(axis) for axis in axes)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
