"""``bench results``: fill the tables of committed runs into pages such as README.md, so that no figure is typed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

PAGES = ("README.md", "docs/results.md")


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "results",
        help="fill the tables of committed runs into README.md and docs/results.md",
        description="Fill every '<!-- table: RUN -->' and '<!-- headline -->' of the pages from results/baselines.",
    )
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help=f"default: {', '.join(PAGES)}")
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 when a page is out of date")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fill the pages; exit code 1 with ``--check`` where one differs from the committed runs."""
    from bench.baseline import folders
    from bench.errors import DataError
    from bench.report.shown import filled

    baselines = next((folder / "baselines" for folder in folders() if (folder / "baselines").is_dir()), None)
    if baselines is None:
        raise DataError("results/baselines: no such folder; run from a checkout")
    stale = 0
    for page in args.pages or [Path(name) for name in PAGES]:
        try:
            text = page.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise DataError(f"{page}: no such file; name the pages, or run from a checkout") from None
        new = filled(text, baselines)
        print(f"{page}: {'as committed' if new == text else 'out of date' if args.check else 'filled'}")
        stale += new != text
        if new != text and not args.check:
            temporary = page.with_name(f".{page.name}.tmp")
            temporary.write_text(new, encoding="utf-8")
            temporary.replace(page)
    return 1 if args.check and stale else 0
