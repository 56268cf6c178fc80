"""``bench new``: the start of a suite over your own folders, or of a refiner of your own."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from bench.cli.options import add_store_options

TEMPLATES = Path(__file__).parent.parent / "templates"


def register(verbs: Any) -> None:
    """Add the verb and its own verbs to the parser."""
    parser = verbs.add_parser("new", help="write the start of a suite, or of a refiner of your own")
    own = parser.add_subparsers(dest="new_verb", metavar="WHAT", required=True)
    suite = own.add_parser(
        "suite", help="a suite file over your own renders and photographs",
        description="Write a short, commented suite file NAME.toml. What is not given is asked for on a terminal.",
    )
    suite.add_argument("name", metavar="NAME", help="name of the suite; the file is NAME.toml")
    suite.add_argument("--task", metavar="T", help="what is learned: see `bench list`")
    suite.add_argument("--synthetic", type=Path, metavar="DIR", help="labelled renders: an image set, or COCO")
    suite.add_argument("--real-train", type=Path, metavar="DIR",
                       help="photographs to learn the look from; no labels needed")
    suite.add_argument("--real-test", type=Path, metavar="DIR", help="labelled photographs to score on")
    suite.add_argument("--refined", action="append", default=[], metavar="NAME=DIR",
                       help="renders that another program refined, by file name; may be given again")
    suite.add_argument("--size", type=int, metavar="N", help="side of the square in pixels (default: the images')")
    suite.add_argument("--like", metavar="SUITE", help="built-in suite whose models, refiners and settings to take")
    suite.add_argument("--out", type=Path, metavar="DIR", default=Path(), help="where the file goes (default: here)")
    add_store_options(suite)
    suite.set_defaults(run_new=run_suite)
    refiner = own.add_parser("refiner", help="a working refiner with its test, to be changed")
    refiner.add_argument("name", metavar="NAME", help="such as my-refiner")
    refiner.add_argument("--out", type=Path, metavar="DIR", default=Path(), help="where the files go (default: here)")
    refiner.set_defaults(run_new=run_refiner)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the chosen verb; return its exit code."""
    return int(args.run_new(args))


def run_refiner(args: argparse.Namespace) -> int:
    """Write ``<name>.py`` and ``test_<name>.py``; neither is ever overwritten."""
    from bench import plugins
    from bench.errors import UsageError

    name: str = args.name
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(f"{name}: write a refiner's name in small letters, digits and '-', such as my-refiner")
    if name in plugins.names("refiner"):
        raise UsageError(f"{name}: there is a refiner of that name; choose another")
    words = {"name": name, "module": name.replace("-", "_"), "title": name.replace("-", " ").capitalize(),
             "cls": "".join(part.capitalize() for part in name.split("-"))}  # fmt: skip
    file = args.out / f"{words['module']}.py"
    files = {file: "refiner.txt", file.with_name(f"test_{file.name}"): "test_refiner.txt"}
    for path in files:
        if path.exists():
            raise UsageError(f"{path}: exists already; choose another name or --out")
    args.out.mkdir(parents=True, exist_ok=True)
    for path, template in files.items():
        path.write_text((TEMPLATES / template).read_text(encoding="utf-8").format(**words), encoding="utf-8")
        print(f"written: {path}")
    print(f"try:     python -m bench selftest {file}\n"
          f'then:    python -m bench run --suite SUITE --plugin {file} with "refined({name})" among the arms')
    return 0


def run_suite(args: argparse.Namespace) -> int:
    """Look at the folders, write the file, and say what it can and cannot measure."""
    from bench import plugins
    from bench.errors import UsageError
    from bench.scaffold import Wanted, write_suite
    from bench.suite import built_in_suites

    for file in args.plugin:
        plugins.add_file(file)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", args.name) or args.name in built_in_suites():
        what = "is a built-in suite" if args.name in built_in_suites() else "write letters, digits, '-' and '_'"
        raise UsageError(f"{args.name}: {what}; choose another name")
    if args.size is not None and not 16 <= args.size <= 4096:
        raise UsageError(f"--size {args.size}: a whole number from 16 to 4096")
    _ask(args)
    refined = {}
    for item in args.refined:
        name, equals, folder = item.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or not folder:
            raise UsageError(f"--refined {item}: write NAME=DIR, such as diffusion=renders-diffusion")
        refined[name] = Path(folder)
    wanted = Wanted(
        args.name, args.task, args.synthetic, args.real_train, args.real_test, refined, args.size, args.like
    )
    path, remarks = write_suite(wanted, args.out)
    print(f"written: {path}")
    for remark in remarks:
        print(f"note:    {remark}")
    print(f"next:    python -m bench plan --suite {path}\n         python -m bench run --suite {path}\n"
          "a first look: add --replicates 1, or --only model=NAME")
    return 0


def _ask(args: argparse.Namespace) -> None:
    """Ask on a terminal for what was not given; elsewhere that is an error that names the options."""
    from bench import plugins
    from bench.errors import UsageError

    questions = {
        "task": f"What is learned ({', '.join(plugins.names('task'))})? ",
        "synthetic": "Folder of the labelled renders? ",
        "real_train": "Folder of photographs to learn the look from? ",
        "real_test": "Folder of labelled photographs to score on (empty: there is none)? ",
    }
    missing = [key for key in questions if getattr(args, key) is None and key != "real_test"]
    if not sys.stdin.isatty():
        if missing:
            options = ", ".join(f"--{key.replace('_', '-')}" for key in missing)
            raise UsageError(f"new suite {args.name}: give {options} (on a terminal they are asked for)")
        return
    for key, question in questions.items():
        if getattr(args, key) is None:
            try:
                answer = input(question).strip()
            except EOFError:
                answer = ""
            if not answer and key != "real_test":
                raise UsageError(f"--{key.replace('_', '-')}: an answer is needed")
            setattr(args, key, (answer if key == "task" else Path(answer)) if answer else None)
