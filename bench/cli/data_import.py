"""``bench data import``: bring somebody else's images and labels into our layout, naming everything that is broken."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.formats.source import Problems

PROGRESS_SECONDS = 10.0
PARTS = {"synthetic": "synthetic", "real-train": "real", "real-test": "real"}
"""The sets that ``--part`` makes, and what each is of."""


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    from bench.formats.registry import format_names, summary

    formats = "\n".join(f"  {name:<10} {summary(name)}" for name in format_names())
    parser = verbs.add_parser(
        "import", help="convert CSV, COCO, YOLO, VOC, masks or plain images into an image set",
        description=f"Convert SRC into an image set at DST. Formats:\n{formats}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, metavar="SRC", help="folder (or file) to read")
    parser.add_argument("target", type=Path, metavar="DST", help="folder to write")
    parser.add_argument("--format", required=True, metavar="F", help=f"one of {', '.join(format_names())}")
    parser.add_argument("--domain", choices=("synthetic", "real"), help="what the images are: renders or photographs")
    parser.add_argument("--part", action="append", default=[], metavar="NAME:COLUMN=VALUE,...",
                        help="with --format csv, make DST/NAME (synthetic, real-train or real-test) of the rows that "
                        "these filters choose; given three times, one command makes all the sets of a suite")
    parser.add_argument("--size", default="none", metavar="PIXELS",
                        help="fit every image into a square of this side; none (default) keeps sizes")
    parser.add_argument("--fit", choices=("letterbox", "stretch"), default="letterbox",
                        help="how: keep shapes between grey bars (default), or stretch")
    parser.add_argument("--group", metavar="REGEX",
                        help="an image's scene or sequence: what this finds in its name (default: its own)")
    parser.add_argument("--strict", action="store_true", help="write nothing when anything is broken")
    parser.add_argument("--overwrite", action="store_true", help="replace an image set at DST")
    add_reader_options(parser)
    parser.set_defaults(run_data=run)


def add_reader_options(parser: argparse.ArgumentParser) -> None:
    """``--classes``, ``--ignore-class`` and the options of every format."""
    from bench.formats.registry import option_help, reader_options

    parser.add_argument("--classes", metavar="A,B,C", help="class names in the order to count them by")
    parser.add_argument("--rename", action="append", default=[], metavar="OLD=NEW",
                        help="another name for a class; two that get one name become one class; may be given again")
    parser.add_argument("--ignore-class", action="append", default=[], metavar="NAME",
                        help="drop boxes of this class, and make its pixels void; may be given again")
    parser.add_argument("--follow-links", action="store_true",
                        help="also read what links out of SRC lead to: for links that you have made yourself")
    group = parser.add_argument_group("options of single formats")
    for option, formats in reader_options().items():
        text = option_help(option, formats).replace("%", "%%")
        name, dest = f"--{option.name}", f"reader_{option.key}"
        if option.kind == "flag":
            group.add_argument(name, dest=dest, action="store_true", help=text)
        else:
            action = "append" if option.kind == "list" else "store"
            group.add_argument(name, dest=dest, action=action, metavar=option.metavar, help=text)


def reader_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """What was given of the formats' options, by `Option.key`, and ``classes``."""
    given = {key.removeprefix("reader_"): value for key, value in vars(args).items() if key.startswith("reader_")}
    names = [name.strip() for name in (args.classes or "").split(",") if name.strip()]
    return {key: value for key, value in given.items() if value} | ({"classes": names} if names else {})


def parse_renames(texts: list[str]) -> dict[str, str]:
    """``OLD=NEW`` texts as a table; raises `UsageError` for one that is none, or an old name given twice."""
    from bench.errors import UsageError

    table: dict[str, str] = {}
    for text in texts:
        old, equals, new = (part.strip() for part in text.partition("="))
        if not equals or not old or not new:
            raise UsageError(f"--rename {text}: write OLD=NEW")
        if old in table:
            raise UsageError(f"--rename {text}: {old} has a new name already, {table[old]}")
        table[old] = new
    return table


def parse_size(text: str) -> int | None:
    """``none`` or a whole number from 8 to 4096."""
    from bench.errors import UsageError

    if text == "none":
        return None
    if not text.isdecimal() or not 8 <= int(text) <= 4096:
        raise UsageError(f"--size {text}: a whole number from 8 to 4096, or none")
    return int(text)


def tell(line: str) -> None:
    """One line on the error stream."""
    print(line, file=sys.stderr)


def parse_parts(texts: list[str], format_name: str, domain: str | None) -> dict[str, list[str]]:
    """``--part`` texts as name -> filters; raises `UsageError` for one that is none, a double, or another format."""
    from bench.errors import UsageError, did_you_mean

    parts: dict[str, list[str]] = {}
    if texts and format_name != "csv":
        raise UsageError(f"--part {texts[0]}: only --format csv has tables to choose rows from")
    if texts and domain:
        raise UsageError(f"--domain {domain}: with --part names say what is synthetic and what is real; leave it out")
    for text in texts:
        name, colon, filters = text.partition(":")
        chosen = [each.strip() for each in filters.split(",") if each.strip()]
        if not colon or not chosen:
            raise UsageError(f"--part {text}: write NAME:COLUMN=VALUE, such as real-test:domain=real,split=test")
        if name not in PARTS:
            raise UsageError(f"--part {text}: unknown set '{name}'{did_you_mean(name, PARTS)}; {', '.join(PARTS)}")
        if name in parts:
            raise UsageError(f"--part {text}: {name} was given already")
        parts[name] = chosen
    return parts


def run(args: argparse.Namespace) -> int:
    """Import; exit code 0 when the sets were written, whatever was left out."""
    from bench.errors import UsageError

    parse_size(args.size), parse_renames(args.rename)  # before anything is read
    parts = parse_parts(args.part, args.format, args.domain)
    if not args.source.exists():
        raise UsageError(f"{args.source}: no such file or folder")
    for target in [args.target / name for name in parts] or [args.target]:
        if target.resolve() == args.source.resolve():
            raise UsageError(f"{target}: source and target are one folder; choose another target")
    if not parts:
        _import(args, args.target, args.domain, [])
    for name, filters in parts.items():
        _import(args, args.target / name, PARTS[name], filters)
    return 0


def _import(args: argparse.Namespace, target: Path, domain: str | None, filters: list[str]) -> None:
    """Make one set of the rows that ``filters`` choose besides those of ``--filter``."""
    from bench.errors import DataError, UsageError
    from bench.formats.convert import Converter, provenance
    from bench.formats.layout import open_image_set
    from bench.formats.registry import read_source
    from bench.formats.write import fresh_folder, write_samples

    size, options, renames = parse_size(args.size), reader_arguments(args), parse_renames(args.rename)
    if filters:
        options = options | {"filter": [*options.get("filter", []), *filters]}
    problems = Problems(tell)
    source = read_source(args.format, args.source, options, problems, args.follow_links)
    domain = domain or source.domain
    if domain is None:
        raise UsageError("--domain: say whether the images are synthetic or real")
    kind = source.kind if source.kind and domain == source.domain else {"real": "photographs"}.get(domain, "rendered")
    converter = Converter(
        source, problems, size=size, fit=args.fit, class_names=options.get("classes"), ignore=args.ignore_class,
        rename=renames, group=args.group,
    )
    with fresh_folder(target, args.overwrite) as folder:
        write_samples(
            converter, folder, domain=domain, kind=kind,
            provenance=provenance(args.format, options, size, args.fit, renames),
            backgrounds=source.backgrounds, progress=_progress(len(source.items)),
        )
        if args.strict and problems.counts:
            raise DataError(f"{args.source}: {problems.summary()}, and --strict writes nothing then")
    print(describe_set(target, open_image_set(target)))
    print(f"read from {args.source}: {problems.summary()}")


def _progress(total: int) -> Callable[[int], None]:
    last = time.monotonic()

    def report(done: int) -> None:
        nonlocal last
        if time.monotonic() - last > PROGRESS_SECONDS:
            last = time.monotonic()
            tell(f"{done} of {total} images")

    return report


def describe_set(name: Path | str, images: Any) -> str:
    """Such as ``cards/real-test: 67 real images (photographs), 96x96, 121 boxes: ace 20, king 19``."""
    sizes = Counter((record.width, record.height) for record in images.records)
    shape = ", ".join(f"{w}x{h}" for (w, h), _ in sizes.most_common(3)) + (" and others" if len(sizes) > 3 else "")
    text = f"{name}: {len(images)} {images.domain} images ({images.kind}), {shape}"
    if "boxes" not in images.has:
        if not images.has:
            return f"{text}, no labels"
        classes = f" ({', '.join(images.class_names)})" if "semantic" in images.has else ""
        return f"{text}, {', '.join(sorted(images.has))}{classes}"
    counts = Counter(images.class_names[cls] for record in images.records for cls in record.classes)
    boxes = ", ".join(f"{cls} {counts[cls]}" for cls in images.class_names)
    more = sorted(images.has - {"boxes"})
    return f"{text}, {counts.total()} boxes: {boxes}" + (f"; also {', '.join(more)}" if more else "")
