"""Keys: a stage's identity, sha256 of canonical JSON, known before anything runs."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; raises `TypeError` for anything that JSON does not have."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def key_of(value: Any) -> str:
    """sha256 of the canonical JSON, as hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def leaves(value: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested dicts and lists into dotted paths, for naming what changed between two specs."""
    if isinstance(value, dict):
        items = [(str(key), child) for key, child in value.items()]
    elif isinstance(value, list):
        items = [(str(index), child) for index, child in enumerate(value)]
    else:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for name, child in items:
        flat.update(leaves(child, f"{prefix}.{name}" if prefix else name))
    return flat
