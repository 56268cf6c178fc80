"""``bench list``: everything that can be named, with the first line of what it says of itself."""

from __future__ import annotations

import argparse
import ast
import json
import tomllib
from typing import Any

from bench.cli.options import add_store_options


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("list", help="suites, worlds, tasks, models and refiners that are known here")
    add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what is known; plug-ins are read, not imported."""
    from bench import plugins
    from bench.suite import built_in_suites

    for file in args.plugin:
        plugins.add_file(file)
    found: dict[str, dict[str, str]] = {"suites": {}}
    for name, path in built_in_suites().items():
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        profiles = ", ".join(data.get("profiles", {})) or "quick"
        variants = f"; variants: {', '.join(data['variants'])}" if data.get("variants") else ""
        found["suites"][name] = f"{data.get('title', '')} (profiles: {profiles}{variants})"
    for (sort, name), item in sorted(plugins.scan().items()):
        found.setdefault(f"{sort}s", {})[name] = _first_line(item) + (f" (task {item.task})" if item.task else "")
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    for kind, items in found.items():
        print(kind)
        for name, text in items.items():
            print(f"  {name:<16} {text}")
    return 0


def _first_line(item: Any) -> str:
    if item.file is None:
        return f"from {item.module}"
    for node in ast.parse(item.file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == item.qualname:
            return (ast.get_docstring(node) or "").split("\n")[0]
    return ""
