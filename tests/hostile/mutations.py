"""Ways to spoil a valid file: bytes, numbers, names, and the structure of JSON."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

TOKENS = (
    "-1", "0", "1e999", "NaN", "Infinity", "-Infinity", "9" * 30, "9" * 400, "9" * 5000, "1.5", "true", "null", '""',
    "[]", "{}", "\u00b2", "\u0663", "\0", "\x1b[2J", "\u202e", "\ud800", "\udcff", "../outside/secret.png",
    "/etc/passwd", "C:\\x.png", "http://127.0.0.1:9/x.png", "=1+1", "<script>alert(1)</script>", "a" * 5000, "\u00e9",
    "e\u0301", "\n", "\r", "'", '"', "[" * 3000, "{" * 3000, '[{"a":' * 500, "&lol;", "%s%n", ".", "..", "-rf", " ",
    "\t", "#", "=", "nan", "inf",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**40, 10**400, 0.5, float("nan"), float("inf"), "", "x", "\0",
    "\ud800", "../outside/secret.png", "/etc/passwd",
    "=1+1", "a" * 4000, [], {}, [[]], [None], {"a": []}, [1, 2, 3, 4], "²",
    [float("inf")] * 4, ["a"] * 9, [10**400] * 4, {"size": [12, 16], "counts": [10**12]},
    {"size": [12, 16], "counts": "~~~~"}, {"size": [12, 16], "counts": "0"}, [[10**9] * 6], [["a"] * 6], -(2**63),
)  # fmt: skip


def spoil(path: Path, dice: random.Random) -> str:
    """Change a file in place; return how."""
    data = path.read_bytes()
    ways = [flip, cut, repeat, splice, token]
    if path.suffix in {".json", ".jsonl"}:
        ways += [structure] * 6
    if path.suffix in {".txt", ".csv", ".xml", ".yaml", ".toml"}:
        ways += [word] * 4
    if path.suffix in {".safetensors"}:
        ways += [header] * 4
    way = dice.choice(ways)
    path.write_bytes(way(data, dice))
    return f"{way.__name__} {path.name}"


def flip(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8, 40))):
        if changed:
            changed[dice.randrange(len(changed))] = dice.choice((0, 255, 127, dice.randrange(256)))
    return bytes(changed)


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def repeat(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + data[at : at + dice.randrange(200)] * dice.choice((2, 50)) + data[at:]


def splice(data: bytes, dice: random.Random) -> bytes:
    at, to = dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)
    return data[:at] + data[to:]


def token(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + _encoded(dice.choice(TOKENS)) + data[at + dice.choice((0, 0, 1, 4)) :]


def word(data: bytes, dice: random.Random) -> bytes:
    """A word or number of a text becomes another one."""
    found = list(re.finditer(rb"[\w.+-]+", data))
    if not found:
        return token(data, dice)
    chosen = dice.choice(found)
    return data[: chosen.start()] + _encoded(dice.choice(TOKENS)) + data[chosen.end() :]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def structure(data: bytes, dice: random.Random) -> bytes:
    """A node of a JSON file becomes something else, goes away, or comes twice."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return flip(data, dice)
    if not isinstance(tree, (dict, list)):
        return json.dumps(dice.choice(VALUES)).encode()
    places: list[tuple[Any, Any]] = []
    pending = [tree]
    while pending:
        node = pending.pop()
        children = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
        for key, child in children:
            places.append((node, key))
            if isinstance(child, (dict, list)):
                pending.append(child)
    if not places or dice.random() < 0.03:
        return json.dumps(dice.choice(VALUES)).encode()
    node, key = dice.choice(places)
    kind = dice.randrange(6)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, dict):
        node[str(dice.choice(TOKENS))] = node.pop(key)
    elif kind == 2 and isinstance(node, list):
        node.append(node[key])
    else:
        node[key] = dice.choice(VALUES)
    return json.dumps(tree).encode()


def header(data: bytes, dice: random.Random) -> bytes:
    """The JSON header of a safetensors file, its length kept true."""
    length = int.from_bytes(data[:8], "little")
    changed = structure(data[8 : 8 + length], dice)
    return len(changed).to_bytes(8, "little") + changed + data[8 + length :]
