"""Images a second: loading, refining, detector training and evaluation, rendering; and how cost grows with size."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from bench.contracts import Context, SplitRequest
from bench.describe import construct
from bench.errors import BenchError, DataError
from bench.formats.background import Background
from bench.formats.layout import ImageSetWriter
from bench.frames import Frames
from bench.plugins import names
from bench.samples import ImageSet
from bench.stages import REFINE_BATCH
from benchmarks.drawn import drawn_set
from benchmarks.measuring import Row, measured, slope
from refiners.image_head import by_rows

REFINED = ("color-transfer", "fourier", "augment")
NETWORKS = {
    "cyclegan": {"ngf": 16, "n_blocks": 4, "n_downsampling": 2},
    "cut": {"ngf": 16, "n_blocks": 4, "n_downsampling": 2},
}
DETECTORS = ("ssd", "yolov3", "pvanet")


def _context(folder: Path, device: str = "cpu") -> Context:
    folder.mkdir(parents=True, exist_ok=True)
    return Context(seed=3, directory=folder, device=device)


def heads(pixels: tuple[int, ...] = (64, 128, 256)) -> Iterator[Row]:
    """A translator's last convolution, 7 x 7 from 64 channels to 3, forward and backward: plain and by rows."""
    for px in pixels:
        torch.manual_seed(0)
        inputs = [torch.randn(1, 64, px + 6, px + 6), torch.randn(3, 64, 7, 7), torch.randn(3)]
        for case, function in (("plain", F.conv2d), ("by rows", by_rows)):
            leaves = [value.clone().requires_grad_() for value in inputs]
            yield measured("heads", case, px, "px", lambda f=function, x=leaves: f(*x).sum().backward(), repeats=9)


def loading(px: tuple[int, ...] = (64, 128, 256), count: int = 256) -> Iterator[Row]:
    """PNG files into memory, and batches out of it."""
    rows = []
    for size in px:
        with tempfile.TemporaryDirectory() as folder:
            data = drawn_set(Path(folder), "synthetic", count, size)
            rows.append(measured("loading", f"files to memory, {size} px", count, "images", data.images))
            yield rows[-1]
            frames, order = Frames(data), list(np.random.default_rng(0).permutation(count))
            chosen = [int(index) for index in order[:16]]
            yield measured(
                "loading", f"batches of 16, {size} px", 16, "images", lambda f=frames, c=chosen: f.batch(c), 9
            )
    sides = [Row("", "", size, "", row.seconds, 0) for size, row in zip(px, rows, strict=True)]
    yield Row("loading", "slope against the image's side", 0, "", slope(sides), 0, "2 is proportional to pixels")


def refining(px: tuple[int, ...] = (64, 128, 256), counts: tuple[int, ...] = (4, 16, 64)) -> Iterator[Row]:
    """Images a second of fitted refiners, and slopes against how many and how large."""
    for name in (*REFINED, *NETWORKS):
        by_side, by_count = [], []
        for size in px:
            with tempfile.TemporaryDirectory() as folder:
                synthetic, real = (drawn_set(Path(folder), domain, 8, size) for domain in ("synthetic", "real"))
                refiner = _fitted(name, synthetic, real, Path(folder))
                context, samples = _context(Path(folder) / "refine"), list(synthetic)
                refiner.refine(samples[:1], context)
                for count in counts if size == px[0] else (8,):
                    work = _refine(refiner, [samples[k % 8] for k in range(count)], context)
                    row = measured("refining", f"{name}, {size} px", count, "images", work)
                    yield row
                    if size == px[0]:
                        by_count.append(row)
                by_side.append(Row("", "", size, "", row.seconds / row.size, 0))
        note = f"against the side {slope(by_side):.2f}, against the number of images {slope(by_count):.2f}"
        yield Row("refining", f"{name}: slopes", 0, "", 0, 0, note)


def _refine(refiner: Any, samples: list[Any], context: Context) -> Callable[[], object]:
    return lambda: refiner.refine(samples, context)


def _fitted(name: str, synthetic: ImageSet, real: ImageSet, folder: Path) -> Any:
    settings: dict[str, Any] = dict(NETWORKS.get(name, {}))
    if name in NETWORKS:
        settings |= {"steps": 1, "crop": 32, "ndf": 8, "sheets": 0}
    refiner = construct("refiner", name, settings)
    if refiner.trained:
        refiner.fit(synthetic, real.unlabelled(), _context(folder / "fit"))
    return refiner


def writing(px: tuple[int, ...] = (64, 128, 256), count: int = 64, turns: int = 5) -> Iterator[Row]:
    """Refining and writing a set, its files encoded at once and in the background: the clock, with a core to spare."""
    for name, size in product(("color-transfer", "cyclegan"), px):
        with tempfile.TemporaryDirectory() as folder:
            synthetic, real = (drawn_set(Path(folder), domain, count, size) for domain in ("synthetic", "real"))
            refiner = _fitted(name, synthetic, real, Path(folder))
            found: dict[str, list[Row]] = {"at once": [], "in the background": []}
            for turn, how in product(range(turns), found):
                work = partial(_write, refiner, synthetic, Path(folder) / f"{how} {turn}", how != "at once")
                found[how].append(measured("writing", f"{name}, {size} px, {how}", count, "images", work, 1))
            for rows in found.values():
                row = sorted(rows, key=lambda row: row.wall)[turns // 2]
                yield replace(row, note=f"{1000 * row.wall / count:.1f} ms an image on the clock")


def _write(refiner: Any, synthetic: ImageSet, folder: Path, later: bool) -> None:
    with Background(1) as background:
        writer = ImageSetWriter(
            folder, domain="refined", kind="rendered", class_names=synthetic.class_names, labels=synthetic.has,
            background=background if later else None,
        )  # fmt: skip
        for start in range(0, len(synthetic), REFINE_BATCH):
            samples = [synthetic[index] for index in range(start, start + REFINE_BATCH)]
            for sample, image in zip(samples, refiner.refine(samples, _context(folder)), strict=True):
                writer.add(sample.id, image, sample.labels)
        writer.close()


def detectors(px: int = 128, batch: int = 8, count: int = 32) -> Iterator[Row]:
    """A training step of each detector, its predictions, and scoring them."""
    for name in DETECTORS:
        with tempfile.TemporaryDirectory() as folder:
            yield from _detector(name, px, batch, drawn_set(Path(folder), "synthetic", count, px), Path(folder))


def _detector(name: str, px: int, batch: int, data: ImageSet, folder: Path) -> Iterator[Row]:
    model, states, spent = construct("model", name, {}), list[Any](), dict[int, Row]()
    for steps in (2, 6):
        task = construct("task", "detection", {"steps": steps, "batch_size": batch})
        context = _context(folder / f"train{steps}")

        def train(task: Any = task, context: Context = context) -> None:
            states.append(task.train(model, data, context))

        spent[steps] = measured("detectors", "", steps, "", train, repeats=1)
    seconds, wall = ((getattr(spent[6], key) - getattr(spent[2], key)) / 4 for key in ("seconds", "wall"))
    yield Row("detectors", f"{name}: training step, {px} px", batch, "images", seconds, wall)
    out, hidden = _context(folder / "predictions"), data.unlabelled()
    yield measured(
        "detectors", f"{name}: predicting, {px} px", len(data), "images",
        lambda: task.predict(model, states[-1], hidden, out), repeats=1,
    )  # fmt: skip
    yield measured("detectors", f"{name}: scoring", len(data), "images", lambda: task.score(out.directory, data))


def rendering(px: tuple[int, ...] = (64, 128), count: int = 32) -> Iterator[Row]:
    """Every embedded world, both domains, in as many processes as pay; their start is part of it, as in a run.

    Worlds that read files of a user's own are left out.
    """
    for name in names("world"):
        try:
            world = construct("world", name, {})
            if reason := world.skip():
                raise DataError(f"skipped: {reason}")
        except BenchError as error:  # an adapter without files, a renderer that is not installed
            yield Row("rendering", name, 0, "", 0, 0, f"not here: {str(error).splitlines()[0][:120]}")
            continue
        for domain, size in product(("synthetic", "real"), px):
            with tempfile.TemporaryDirectory() as folder:
                request = SplitRequest(domain, "train", count, size, 5)
                work = lambda w=world, r=request, f=folder: w.image_set(r, _context(Path(f) / "set"))  # noqa: E731
                row = measured("rendering", f"{name}, {domain}, {size} px", count, "images", work, repeats=1)
                yield replace(row, note=f"{count / row.wall:.3g} images/s on the clock")


def use_one_thread() -> None:
    """A worker computes on one thread, and so does this."""
    torch.set_num_threads(1)
