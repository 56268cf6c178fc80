"""Peak memory of every kind of stage, and how it grows with the number of images.

    python -m tests.reliability.memory --images 1000 4000 16000 [--size 128] [--folder DIR] [--stages render fit ...]

Each stage runs in a process of its own; the figure is the most that it had in memory at once (VmHWM of Linux, which
counts the libraries too), as ``artifact.json`` keeps it. Training takes a few steps alone: memory does not grow with
steps. The test set is a quarter of the training sets. Exit code 1 where a stage needs over 20 % more for the most
images than for the fewest.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

from bench import plugins
from bench.engines.execution import execute
from bench.graph import Stage
from bench.plan import build_plan
from bench.store import Store
from bench.suite import load_suite

WORLD = Path(__file__).with_name("memory_world.py")
SUITE = """
schema = 1
name = "memory"
task = "detection"
models = ["ssd"]
arms = ["synthetic", "refined(color-transfer)", "refined(vtr)", "refined(simgan)", "real"]
controls = []
size = {size}
replicates = 1
counts = {{ synthetic_train = {count}, real_train = {count}, real_test = {quarter} }}
world = {{ name = "many-world" }}
train = {{ steps = 4, batch_size = 8, max_detections = 5 }}
[refiner.vtr]
steps = 2
crop = 64
ngf = 8
ndf = 8
n_blocks = 1
[refiner.simgan]
steps = 2
pretrain_refiner = 2
pretrain_discriminator = 2
batch_size = 4
[profiles.quick]
"""
STAGES = (
    "render synthetic train", "render real train", "render real test", "fit color-transfer #0", "fit vtr #0",
    "fit simgan #0", "refine with color-transfer #0", "train ssd on synthetic #0",
    "predict ssd on synthetic #0", "score ssd on synthetic #0",
)
MOST = 1.2


def one(stage: Stage, root: Path) -> None:
    """A stage in this process."""
    import torch

    torch.set_num_threads(1)
    plugins.add_file(WORLD)
    outcome = execute(stage, Store(root), device="cpu", progress=lambda _: None)
    if outcome.status != "done":
        sys.exit(f"{stage.label}: {outcome.reason}")


def peaks(folder: Path, count: int, size: int, kinds: list[str]) -> dict[str, int]:
    """label -> MiB."""
    plugins.add_file(WORLD)
    folder.mkdir(parents=True)
    (folder / "suite.toml").write_text(SUITE.format(size=size, count=count, quarter=count // 4))
    plan = build_plan(load_suite(str(folder / "suite.toml"), "quick", []), None, folder / "descriptions")
    store, found = Store(folder / "store"), {}
    store.root.mkdir()
    for stage in plan.stages.values():
        label = stage.label.split(" (")[0]
        if label not in STAGES or stage.kind not in kinds:
            continue
        started = time.monotonic()
        process = multiprocessing.get_context("spawn").Process(target=one, args=(stage, store.root))
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(f"{stage.label}: failed")
        found[label] = int(store.meta(stage.key)["peak_mib"])
        took = time.monotonic() - started
        print(f"{count} images, {label}: {found[label]} MiB ({took:.0f} s)", file=sys.stderr, flush=True)
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 4000, 16000])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--folder", type=Path, help="an empty folder to work in, which is kept")
    parser.add_argument("--stages", nargs="+", default=["render", "fit", "refine", "train", "predict", "score"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        found = [peaks(folder / str(count), count, args.size, args.stages) for count in args.images]
    print("| stage |" + "".join(f" {count:,} images |" for count in args.images) + " growth |")
    print("| --- |" + " ---: |" * (len(args.images) + 1))
    faults = 0
    for label in found[0]:
        growth = found[-1][label] / found[0][label]
        faults += growth > MOST
        print(f"| {label} |" + "".join(f" {each[label]:,} MiB |" for each in found) + f" {growth - 1:+.0%} |")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
