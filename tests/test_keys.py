from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from bench.keys import Part, canonical, key_of


def plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


PLUGIN = {"name": "x", "version": 2, "config": {"b": [1, 2.5], "a": None, "ü\"": "\n"}}


@pytest.mark.parametrize("spec", [
    {"stage": "fit", "plugin": PLUGIN, "inputs": {"z": "1", "a": "2"}, "seed": 2**62, "flag": True},
    {"task": {}, "zeta\\": PLUGIN, "alpha": PLUGIN},
    {"plugin": PLUGIN},
])  # fmt: skip
def test_shared_parts_change_no_key(spec: dict[str, Any]) -> None:
    with_parts = {name: Part(value) if isinstance(value, dict) else value for name, value in spec.items()}
    assert canonical(with_parts) == plain(spec) == canonical(spec)
    assert key_of(with_parts) == key_of(spec)
    assert canonical(Part(PLUGIN)) == plain(PLUGIN)


def test_a_part_is_an_ordinary_table_to_everybody_else() -> None:
    part = Part(PLUGIN)
    assert part.text == plain(PLUGIN)
    assert pickle.loads(pickle.dumps(part)) == PLUGIN == part
    assert json.loads(json.dumps({"plugin": part})) == {"plugin": PLUGIN}


def test_what_json_does_not_have_is_refused_in_parts_too() -> None:
    for wrong in (float("nan"), object()):
        with pytest.raises((TypeError, ValueError)):
            key_of({"plugin": Part(name=wrong)})
