"""Keys: a stage's identity, sha256 of canonical JSON, known before anything runs."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache, cached_property
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
"""Made once: a large plan has a hundred thousand keys."""


class Part(dict[str, Any]):
    """A part that many specs share and nobody changes, such as a plug-in with its configuration: written once."""

    @cached_property
    def text(self) -> str:
        """Its canonical JSON."""
        return _ENCODER.encode(self)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; raises `TypeError` for anything that JSON does not have."""
    if isinstance(value, Part):
        return value.text
    if isinstance(value, dict) and any(type(child) is Part for child in value.values()):
        texts = []
        for name in sorted(value):
            child = value[name]
            texts.append(f"{_name(name)}:{child.text if type(child) is Part else _ENCODER.encode(child)}")
        return "{" + ",".join(texts) + "}"
    return _ENCODER.encode(value)


@cache
def _name(name: str) -> str:
    return _ENCODER.encode(name)


def key_of(value: Any) -> str:
    """sha256 of the canonical JSON, as hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def is_key(text: str) -> bool:
    """Whether a text may name an artifact: it becomes a folder's name, so it must not lead anywhere else."""
    return re.fullmatch(r"[0-9A-Za-z_-]{1,128}", text) is not None


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
