"""``bench data verify``: name every broken file of image sets, and pictures that two sets share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.cli.data_import import add_reader_options, describe_set, parse_renames, reader_arguments
from bench.formats.source import Problems


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "verify", help="name every broken file of image sets, and pictures that two sets share",
        description="Check folders to the end. Given several, such as training and test, also look for pictures and "
                    "scenes that are in two of them. Exit code 2 when anything was found.",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="image sets, or COCO folders")
    parser.add_argument("--format", metavar="F", help="check data of another format, as `import` reads it")
    parser.add_argument("--refined", type=Path, metavar="DIR",
                        help="also compare the image set with images that another program made of it")
    parser.add_argument("--refined-fit", choices=("none", "letterbox", "stretch"), default="none",
                        help="as `fit` of the refiner 'external' (default: none, the sizes must be equal)")
    add_reader_options(parser)
    parser.set_defaults(run_data=run)


def run(args: argparse.Namespace) -> int:
    """Verify; exit code 0 when nothing was found, else 2."""
    from bench.errors import DataError
    from bench.formats.verify import Checked, verify_set
    from bench.reading import outward_links

    problems = Problems(lambda line: print(line))
    checked: dict[Path, Checked] = {}
    for folder in args.folders:
        format = args.format or _format(folder)
        before = problems.counts.total()
        try:
            for link in [] if args.follow_links else outward_links(folder):
                if link.name in ("manifest.json", "annotations.json"):
                    raise DataError(f"{link}: a link that leads out of the folder; put the file itself there")
            checked[folder] = (
                verify_set(folder, problems) if format == "layout" else _verify_source(args, format, folder, problems)
            )
        except DataError as error:
            problems.add("unusable", str(error).split(": ")[0], str(error).split(": ", 1)[-1], "nothing more to check")
        found = problems.counts.total() - before
        print(f"{folder}: {_size(folder, format, checked.get(folder))}: {found or 'no'} problem{'s' * (found != 1)}")
    _compare(checked, problems)
    if args.refined:
        _pairs(args, problems)
    print(problems.summary())
    return DataError.exit_code if problems.counts else 0


def _pairs(args: argparse.Namespace, problems: Problems) -> None:
    """Images of ``--refined`` that cannot stand for those of the first folder."""
    from bench.formats.layout import open_image_set
    from bench.formats.pairs import faults

    synthetic = open_image_set(args.folders[0])
    found = faults(synthetic, args.refined, fit=args.refined_fit)
    for fault in found:
        where = args.folders[0] if fault.kind == "missing" else args.refined
        what = f"{fault.kind}: {fault.what}" if fault.what else fault.kind
        problems.add(f"{fault.kind} refined image", str(where / fault.name), what, "mend, add or remove it")
    print(f"{args.refined}: {len(found) or 'no'} of {len(synthetic)} refined images at fault")


def _format(folder: Path) -> str:
    from bench.errors import UsageError

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    if (folder / "manifest.json").is_file() or not any(folder.glob("*.json")):
        return "layout"
    return "coco"


def _size(folder: Path, format: str, checked: Any) -> str:
    from bench.errors import BenchError
    from bench.formats.layout import open_image_set

    if format != "layout":
        return f"{len(checked.prints) if checked else 0} usable images"
    try:
        return describe_set("", open_image_set(folder)).removeprefix(": ")
    except BenchError as error:
        return f"cannot be opened ({error})"


def _verify_source(args: argparse.Namespace, format: str, folder: Path, problems: Problems) -> Any:
    """Check data of a format that `import` reads, by converting it without writing."""
    import io

    from PIL import Image

    from bench.formats.convert import Converter
    from bench.formats.duplicates import fingerprint
    from bench.formats.registry import read_source
    from bench.formats.verify import Checked

    options = reader_arguments(args)
    source = read_source(format, folder, options, problems, args.follow_links)
    converter = Converter(
        source, problems, class_names=options.get("classes"), ignore=args.ignore_class,
        rename=parse_renames(args.rename),
    )  # fmt: skip
    prints = []
    for sample in converter.samples():
        data = sample.image
        image = Image.open(io.BytesIO(data)) if isinstance(data, bytes) else Image.fromarray(data)
        prints.append(fingerprint(sample.id, image.convert("RGB")))
    return Checked(source.domain or "", tuple(prints))


def _compare(checked: dict[Path, Any], problems: Problems) -> None:
    """Pictures and scenes that two of the folders share."""
    from bench.formats.duplicates import twins

    folders = list(checked)
    for number, second in enumerate(folders):
        for first in folders[:number]:
            one, other = checked[first], checked[second]
            for a, b, exact in twins(one.prints, other.prints):
                what = f"{'same pixels as' if exact else 'nearly the same picture as'} {first / a.name}"
                mend = "remove one: a test picture that is in training makes scores lie"
                problems.add("shared picture", str(second / b.name), what, mend)
            # Renders and photographs may use equal scene names; within a domain a shared scene leaks.
            for group in sorted(one.groups & other.groups) if one.domain == other.domain else []:
                mend = "split by group: frames of one scene are alike"
                problems.add("shared group", str(second), f"group {group!r} is also in {first}", mend)
