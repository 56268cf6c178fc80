"""``bench gc``: free artifacts that no run names, and what killed runs and damaged artifacts left behind."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.cli.options import add_store_options, open_store


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("gc", help="free artifacts that no result of your runs reaches")
    add_store_options(parser)
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="folder of the results whose artifacts are kept (default: runs)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be freed, and free nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Free what no ``keys.json`` under ``--runs`` names; what is leased or needed by a run in progress stays."""
    from bench.running import used

    store = open_store(args)
    kept, runs = _kept(args.runs)
    busy = used(store)
    word, freed = "would free" if args.dry_run else "freed", 0
    for path, key in _candidates(store, kept | busy):
        size, label = _size(path), _label(path)
        if key and store.lease(key).taken():
            continue
        if not args.dry_run and not _remove(store, path, key, busy):
            continue  # somebody has begun to use it
        freed += size
        print(f"{word} {size / 2**20:8.1f} MiB  {label}")
    in_progress = f" and {len(busy - kept)} artifacts of runs in progress" if busy - kept else ""
    print(f"{word} {freed / 2**20:.1f} MiB in all; kept what {runs} runs name{in_progress}")
    return 0


def _kept(folder: Path) -> tuple[set[str], int]:
    from bench.errors import UsageError
    from bench.reading import read_json

    kept: set[str] = set()
    lists = sorted(folder.glob("**/keys.json"))
    if not lists:
        raise UsageError(f"{folder}: no finished run in it, so nothing says what to keep; name the folder with --runs")
    for path in lists:
        try:
            listed = read_json(path)
        except (OSError, ValueError) as error:
            what = f"cannot be read ({error}), so what to keep is not known"
            raise UsageError(f"{path}: {what}; mend or remove it") from None
        if not isinstance(listed, list) or not all(isinstance(key, str) for key in listed):
            raise UsageError(f"{path}: no list of keys, so what to keep is not known; mend or remove it")
        kept |= set(listed)
    return kept, len(lists)


def _candidates(store: Any, kept: set[str]) -> Iterator[tuple[Path, str]]:
    """What may go, with the key whose lease guards it ("" where nobody can use it any more)."""
    from bench.running import over

    for folder in sorted((store.root / "objects").glob("*/*")):
        if folder.name not in kept:
            yield folder, folder.name
    for folder in sorted((store.root / "work").glob("*")):
        key = folder.name.split(".")[0]
        if key not in kept:
            yield folder, key
    for room in ("damaged", "removed"):
        yield from ((folder, "") for folder in sorted((store.root / room).glob("*")))
    yield from ((path, "") for path in sorted(over(store)))


def _remove(store: Any, path: Path, key: str, known: set[str]) -> bool:
    """Remove what nobody holds a lease on, while holding it; False where somebody does, or has begun to need it.

    A folder is renamed away first, so that whatever ends this half-way leaves no half of an artifact in its place. A
    run says what it needs before it looks whether that is there, so one that began meanwhile is seen after the rename.
    """
    from bench.running import used

    lease = store.lease(key or f"gc-{path.name}")
    if not lease.acquire():
        return False
    with lease:
        away = path
        if path.parent.name != "removed":
            away = store.root / "removed" / f"{path.name}-{lease.holder[:8]}"
            away.parent.mkdir(exist_ok=True)
            try:
                path.rename(away)
            except FileNotFoundError:
                return False
        if key and key in used(store) - known and not path.exists():
            away.rename(path)
            return False
        shutil.rmtree(away) if away.is_dir() and not away.is_symlink() else away.unlink()
    return True


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _label(path: Path) -> str:
    import json

    for name in ("artifact.json", "stage.json"):
        try:
            label = str(json.loads((path / name).read_text())["label"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return f"{label} (not finished)" if name == "stage.json" else label
    return path.name
