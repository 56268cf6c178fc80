"""The command line: finds the verb, prints errors as one line, and turns them into exit codes."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType

from bench import __version__
from bench.errors import BenchError, IncompleteError, did_you_mean
from bench.reading import shown

VERBS = {
    "run": "run a suite: render, refine, train, score, report",
    "plan": "show each stage of a run: new or cached, why, seconds and disk",
    "report": "write tables, plots and page again from what is in the store",
    "compare": "two runs side by side",
    "check": "compare a run with the committed baseline; exit code 1 when a gain regressed",
    "claims": "what the papers claim, and whether it holds in the committed results",
    "results": "fill the tables of committed runs into README.md and docs/results.md",
    "list": "suites, worlds, tasks, models and refiners that are known here",
    "data": "render, show, fetch, import, verify and export image sets",
    "new": "write the start of a suite, or of a refiner of your own",
    "refine": "refine a folder of images with a refiner that a run has trained",
    "selftest": "check plug-ins of your own: contract, determinism, resume, labels, keys",
    "gc": "free artifacts that no suite of this store's runs reaches",
    "doctor": "versions, devices, disk, what is missing and what will be slow",
}


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line with a suggestion."""

    def error(self, message: str) -> None:  # type: ignore[override]
        if "invalid choice: '" in message:
            word = message.split("invalid choice: '")[1].split("'")[0]
            choices = self._choices()
            message = f"unknown command '{word}'{did_you_mean(word, choices)}" if word not in choices else message
        elif message.startswith("unrecognized arguments: "):
            word = message.removeprefix("unrecognized arguments: ").split()[0]
            message = f"unknown option '{word}'{did_you_mean(word, self._every_option())}"
        self.exit(2, f"bench: {message}\n")

    def _choices(self) -> list[str]:
        return [name for action in self._actions if isinstance(action.choices, dict) for name in action.choices]

    def _every_option(self) -> list[str]:
        found = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action.choices, dict):
                for parser in action.choices.values():
                    if isinstance(parser, _Parser):
                        found += parser._every_option()
        return sorted(set(found))


def build_parser(arguments: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser; importing it imports no torch.

    Every verb is there, with all its options where ``arguments`` begin with it or are not given: reading the options of
    verbs that nobody asked for costs more time than ``--help`` has.
    """
    asked = next((a for a in arguments if not a.startswith("-")), "") if arguments is not None else None
    parser = _Parser(
        prog="python -m bench", description="Does refining synthetic images make my model better on photographs?"
    )
    parser.add_argument("--version", action="version", version=f"refiner-bench {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_Parser)
    for verb, text in VERBS.items():
        if asked is None or verb == asked:
            importlib.import_module(f"bench.cli.{verb}").register(verbs)
        else:
            verbs.add_parser(verb, help=text)
    for sub in verbs.choices.values():
        sub.add_argument("--traceback", action="store_true", help="show the whole traceback of an error")
    return parser


@contextlib.contextmanager
def _stopped_by_term() -> Iterator[None]:
    """What a batch system or a shutdown sends first stops like Ctrl-C: leases are released, workers ended."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.SIGTERM)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (0 ok, 1 regression, 2 usage, 3 incomplete, 4 not comparable)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = build_parser(arguments).parse_args(arguments)
        args.command_line = arguments
        with _stopped_by_term():
            return int(args.run(args))
    except BenchError as error:
        if "--traceback" in arguments:
            traceback.print_exc()
        print(f"bench: {shown(str(error))}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        if "--traceback" in arguments:
            traceback.print_exc()
        print(f"bench: {shown(str(error.filename or 'a file'))}: {error.strerror or error}", file=sys.stderr)
        return BenchError.exit_code
    except KeyboardInterrupt as stopped:
        print("bench: stopped; run the same command again to go on", file=sys.stderr)
        return 143 if stopped.args == (signal.SIGTERM,) else 130
    except Exception as error:  # a fault of ours, which is no regression (1) and no usage (2): nothing is complete
        if "--traceback" in arguments:
            traceback.print_exc()
        first = (str(error).splitlines() or [""])[0]
        print(f"bench: unexpected {type(error).__name__}: {shown(first)}; --traceback shows where", file=sys.stderr)
        return IncompleteError.exit_code
