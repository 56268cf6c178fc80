"""``bench data fetch``: bring a public data set here, or say what to do where only a person can."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

PUBLIC = Path("data") / "public"


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "fetch", help="bring a public data set here: checked, resumed, unpacked",
        description="Fetch the files of a public data set, check and unpack them, and print the command that reads "
                    "them. Without a name: list the sets.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a set of the list")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the set's folder (default: data/public/NAME)")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN",
                        help="only the files of this name, such as '01_*.zip'; may be given again")
    parser.add_argument("--catalogue", type=Path, metavar="FILE",
                        help="a TOML file with sets or mirrors of your own: docs/public-sets.md")
    parser.add_argument("--accept-licence", action="store_true",
                        help="you have read the set's terms, and they allow what you are going to do")
    parser.add_argument("--dry-run", action="store_true", help="say what would be fetched; ask no server")
    parser.add_argument("--keep", action="store_true", help="keep fetched archives after unpacking")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S",
                        help="seconds without a byte until a connection counts as broken (default: 30)")
    parser.add_argument("--retries", type=int, default=4, metavar="N",
                        help="further tries of a mirror that gives no further byte (default: 4)")
    parser.set_defaults(run_data=run)


def run(args: argparse.Namespace) -> int:
    """List, or fetch; exit code 2 where a licence or a login is needed first."""
    from bench.downloads.catalogue import choose_set, chosen_files, known_sets
    from bench.downloads.download import Policy
    from bench.downloads.fetch import fetch, missing
    from bench.errors import UsageError

    if args.timeout <= 0 or args.retries < 0:
        raise UsageError("--timeout must be above 0, and --retries 0 or more")
    sets = known_sets(args.catalogue)
    if args.name is None:
        _list(sets)
        return 0
    chosen = choose_set(args.name, sets)
    files = chosen_files(chosen, args.only)
    root = args.root or PUBLIC / (chosen.folder or args.name)
    if args.dry_run:
        _plan(args.name, chosen, files, root)
        return 0
    wanted = missing(root, files)
    by_hand = [file for file in wanted if not chosen.addresses(file)]
    if by_hand:
        print(f"{chosen.title}\nlicence: {chosen.licence}, {chosen.terms}")
        print("\n".join(_placement(chosen, root)))
        names = ", ".join(file.kept for file in by_hand)
        raise UsageError(f"{args.name}: needs a login, so only you can fetch it; put {names} into {root}")
    if wanted and chosen.access != "open" and not args.accept_licence:
        print(f"{chosen.title}\nlicence: {chosen.licence}, {chosen.terms}")
        raise UsageError(f"{args.name}: read its terms at {chosen.terms}, then add --accept-licence")
    policy = Policy(timeout=args.timeout, retries=args.retries)
    done = fetch(chosen, files, root, policy=policy, tell=_tell, keep=args.keep)
    state = f"{done} of {len(files)} files new" if done else "here already and right, nothing to do"
    print(f"{root}: {chosen.title}: {state}")
    print(f"licence: {chosen.licence}, {chosen.terms}")
    for command in _commands(chosen, root):
        print(f"next: {command}")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _commands(chosen: Any, root: Path) -> list[str]:
    import shlex

    return [f"python -m bench {command.replace('{root}', shlex.quote(str(root)))}" for command in chosen.then]


def _placement(chosen: Any, root: Path) -> list[str]:
    """What to do by hand, and the commands that read it then."""
    lines = [line.replace("{root}", str(root)) for line in chosen.place]
    return [*lines, *(f"then: {command}" for command in _commands(chosen, root))]


def _list(sets: Any) -> None:
    width, sizes = max(map(len, sets)), {name: chosen.size_text() for name, chosen in sets.items()}
    for name, chosen in sets.items():
        print(f"{name:<{width}}  {chosen.access:<7}  {sizes[name]:<{max(map(len, sizes.values()))}}  {chosen.title}")
        print(f"{'':<{width}}  {chosen.purpose}; licence: {chosen.licence}")
    print("open: fetch it; licence: read its terms, then add --accept-licence; login: says what to do by hand")


def _plan(name: str, chosen: Any, files: Any, root: Path) -> None:
    from bench.downloads.catalogue import size_text
    from bench.downloads.fetch import is_here

    print(f"{root}: {chosen.title} ({chosen.size_text()} in all), access: {chosen.access}")
    print(f"licence: {chosen.licence}, {chosen.terms}")
    for file in files:
        digest = "sha256 known" if file.sha256 else "md5 known" if file.md5 else "no digest known"
        urls = chosen.addresses(file)
        source = f"from {urls[0]}" if urls else "by hand"
        more = f" ({len(urls)} mirrors)" if len(urls) > 1 else ""
        here = is_here(root, file) or (root / file.kept).is_file()
        size = size_text(file.bytes) if file.bytes else "size not known"
        print(f"{file.name}: {size}, {digest}, {'is here' if here else source + more}")
    if not all(chosen.addresses(file) for file in files):
        print("\n".join(_placement(chosen, root)))
