"""``bench data``: render, show, fetch, import, verify and export image sets; one file a verb of its own."""

from __future__ import annotations

import argparse
from typing import Any

from bench.cli import data_export, data_fetch, data_import, data_render, data_show, data_verify


def register(verbs: Any) -> None:
    """Add the verb and its own verbs to the parser."""
    parser = verbs.add_parser("data", help="render, show, fetch, import, verify and export image sets")
    own = parser.add_subparsers(dest="data_verb", metavar="VERB", required=True)
    for module in (data_render, data_show, data_fetch, data_import, data_verify, data_export):
        module.register(own)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the chosen verb; return its exit code."""
    return int(args.run_data(args))
