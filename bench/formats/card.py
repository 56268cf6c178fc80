"""The data card of a set that leaves the house: what made it, from what, with which seed, and what to mind."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from bench.samples import ImageSet

CARD = "data-card.md"
LICENCES = """\
- The pictures derive from your renders: the licences of their models, textures and scenes go on to hold.
- A trained refiner may repeat what is in the photographs that it learned from: faces, number plates, brands. Their
  rights and your consents go on to hold, for these images as for the photographs.
- Third-party code or weights (a pretrained network, the extra `[yolo]`) have terms of their own.
- This is a reminder and no legal advice."""


def data_card(
    title: str, contents: str, facts: Mapping[str, Any], preservation: str, left_out: str = ""
) -> str:
    """A page of Markdown.

    Args:
        title: what the set is.
        contents: one line: how many images, which labels.
        facts: how it was made, by name; nested tables are written as JSON. No folder of this machine belongs in it.
        preservation: what was measured of label preservation, or why nothing was (`bench.preservation`).
        left_out: labels that the format has no place for.
    """
    lines = [f"# {inert(title)}", "", inert(contents), "", "## How it was made", ""]
    lines += [f"- {inert(name)}: {_text(value)}" for name, value in facts.items() if value not in (None, "", {}, [])]
    lines += ["", "## Labels", ""]
    lines += [f"- Not in this format: {left_out}."] if left_out else []
    lines += ["- Labels of refined images are copies of the synthetic ones; a refiner cannot change them."]
    lines += ["", "## Label preservation: do the pictures still show what the labels say?", "", preservation]
    return "\n".join([*lines, "", "## Before you pass it on", "", LICENCES, ""])


def _text(value: Any) -> str:
    return inert(json.dumps(value, sort_keys=True) if isinstance(value, (dict, list)) else str(value))


def inert(text: str) -> str:
    """Text from outside (a class name, a setting) as one line of Markdown in which it is no markup and no link."""
    flat = " ".join(text.split()).replace("\\", "\\\\").replace("](", "]\\(").replace("`", "\\`")
    return flat.replace("&", "&amp;").replace("<", "&lt;")


def describe_contents(images: ImageSet) -> str:
    """Such as ``400 refined images (rendered), 96x96; labels: boxes; classes: can, jar``."""
    sizes = Counter(f"{record.width}x{record.height}" for record in images.records)
    shown = ", ".join(size for size, _ in sizes.most_common(3)) + (" and others" if len(sizes) > 3 else "")
    labels = ", ".join(sorted(images.has)) or "none"
    classes = f"; classes: {', '.join(images.class_names)}" if images.class_names else ""
    return f"{len(images)} {images.domain} images ({images.kind}), {shown}; labels: {labels}{classes}"


def artifact_facts(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What an artifact of the store tells about its making."""
    spec = _table(meta.get("spec"))
    plugin, request = _table(spec.get("plugin")), _table(spec.get("request"))
    return {
        "Made by": meta.get("label"),
        "Plug-in": f"{plugin.get('name')}, version {plugin.get('version')}",
        "Configuration": plugin.get("config"),
        "Seed": spec.get("seed", request.get("seed")),
        "Made from": {name: str(key)[:12] for name, key in _table(spec.get("inputs")).items()},
        "Files": str(spec.get("fingerprint", ""))[:12],
        "Key": str(meta.get("key", ""))[:12],
        "Versions": meta.get("versions"),
    }


def _table(value: Any) -> Mapping[str, Any]:
    """An artifact from elsewhere may hold anything in the place of a table."""
    return value if isinstance(value, dict) else {}
