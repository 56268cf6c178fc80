"""What the fuzzer runs on a spoilt folder: each way in which files from outside are read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench import plugins
from bench.baseline import load_side
from bench.claims import read_claims
from bench.cli.main import main
from bench.contracts import Context
from bench.errors import BenchError
from bench.formats.convert import Converter
from bench.formats.layout import open_image_set
from bench.formats.registry import read_source
from bench.formats.source import Problems
from bench.formats.verify import verify_set
from bench.formats.write import fresh_folder, write_samples
from bench.picture_files import open_picture
from bench.plan import Only, build_plan
from bench.quality import read_quality
from bench.refining import load_refiner
from bench.resampling import read_resamples
from bench.runs import made
from bench.stages import load_state
from bench.store import Store
from bench.suite import load_suite
from bench.training import _resume
from bench.worlds.bop_files import read_instances
from bench.worlds.handwriting.sources import npz_digits
from tests.hostile import seeds

TOY = Path(__file__).parent.parent / "toy.py"


@dataclass(frozen=True)
class Target:
    """``build`` writes a valid folder; ``run`` reads it, and may raise errors of the project alone."""

    build: Callable[[Path], Any]
    run: Callable[[Path], Any]


def each(*steps: Callable[[], Any]) -> None:
    """Every step, whether or not another one is refused; the last refusal is told."""
    refused: BenchError | None = None
    for step in steps:
        try:
            step()
        except BenchError as error:
            refused = error
    if refused is not None:
        raise refused


def importing(format: str, **options: Any) -> Callable[[Path], None]:
    def run(work: Path) -> None:
        problems = Problems()
        source = read_source(format, work, options, problems)
        converter = Converter(source, problems, size=16)
        with fresh_folder(work / "made") as folder:
            write_samples(converter, folder, domain="real", kind="photographs", provenance={})
        images = open_image_set(work / "made")
        for index in range(len(images)):
            images[index]
        assert not any("\n" in line or "\x1b" in line for line in problems.lines)

    return run


def suite_file(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "suite.toml").write_text(seeds.SUITE)
    (root / "claims.toml").write_text(seeds.CLAIMS)


def suite(work: Path) -> None:
    plugins.add_file(TOY)

    def plan(profile: str | None, variant: str | None) -> None:
        loaded = load_suite(str(work / "suite.toml"), profile, variant=variant)
        # Thousands of replicates are a large plan and no attack: they are planned for as long as the user waits.
        if len(loaded.parsed_arms()) * len(loaded.models) * loaded.replicates < 300:
            build_plan(loaded, Only.parse((), loaded), work / "descriptions")

    each(lambda: plan(None, None), lambda: plan("smoke", "other"), lambda: read_claims(work / "claims.toml"))


def image_set(work: Path) -> None:
    problems = Problems()
    verify_set(work, problems)
    importing("layout")(work)
    images = open_image_set(work)
    for index in range(len(images)):
        images[index]


def results(work: Path) -> None:
    each(lambda: load_side(work), lambda: read_quality(work / "quality.csv"))


def run_folder(work: Path) -> None:
    plugins.add_file(TOY)
    store = Store(work / "store")
    each(
        lambda: made(work, store), lambda: load_refiner(work, store),
        lambda: list(map(store.verify, store.keys())),
        *(lambda path=path: load_refiner(path.parent, store) for path in work.rglob("artifact.json")),  # type: ignore[misc]
    )


class Parts(torch.nn.Linear):
    def __init__(self) -> None:
        super().__init__(2, 1)


def arrays(work: Path) -> None:
    context = Context(seed=0, directory=work, device="cpu", checkpoint=work / "checkpoint.pt")
    each(
        lambda: npz_digits(work / "digits.npz", True), lambda: read_resamples(work),
        lambda: load_state(work / "weights.safetensors"), lambda: _resume(context, {"layer": Parts()}),
    )


def pictures(work: Path) -> None:
    for path in sorted(work.iterdir()):
        try:
            open_picture(path).convert("RGB")
        except ValueError:
            continue


def command(work: Path) -> None:
    """The command line over a folder: whatever happens is an exit code."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        codes = [main(["data", "verify", str(work)]), main(["data", "show", str(work), "--out", str(work / "s.png")])]
        codes.append(main(["data", "export", str(work), str(work / "out"), "--format", "coco"]))
    said = out.getvalue() + err.getvalue()
    assert "unexpected" not in said and set(codes) <= {0, 2, 3}, json.dumps(said[-300:])


TARGETS = {
    "suite": Target(suite_file, suite),
    "coco": Target(seeds.coco, importing("coco")),
    "yolo": Target(seeds.yolo, importing("yolo")),
    "voc": Target(seeds.voc, importing("voc")),
    "csv": Target(seeds.csv, importing("csv")),
    "bop": Target(lambda root: seeds.bop(root / "test"), lambda work: each(
        lambda: importing("bop", split="test")(work), lambda: read_instances([work / "test"]))),
    "masks": Target(seeds.masks, importing("masks", names="classes.txt")),
    "colours": Target(seeds.masks, importing("masks", colours="colours.txt", masks="pictures")),
    "depth": Target(seeds.depth, importing("depth", depth_scale="1000")),
    "nyuv2": Target(seeds.nyuv2, importing("nyuv2")),
    "kitti": Target(seeds.kitti, importing("kitti")),
    "layout": Target(seeds.layout, image_set),
    "command": Target(seeds.layout, command),
    "results": Target(seeds.tables, results),
    "run": Target(seeds.run_of_store, run_folder),
    "arrays": Target(seeds.arrays, arrays),
    "pictures": Target(seeds.pictures, pictures),
}  # fmt: skip
