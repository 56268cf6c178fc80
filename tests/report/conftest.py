"""A run that never happened, with every kind of cell in it: the report's tests look for what it must say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.arms import parse_arm
from bench.claims import Claim, ClaimFile, judge, replace_defaults
from bench.report.build import build_report
from bench.report.summary import GalleryColumn, LossCurve, RunSummary
from bench.results import Row

ARMS = (
    "synthetic", "refined(identity)", "refined(blur)", "refined(paint)", "refined(broken)", "real",
    "hybrid(synthetic)", "hybrid(paint)",
)  # fmt: skip
LEVEL = {
    "synthetic": 0.20, "refined(identity)": 0.20, "refined(blur)": 0.26, "refined(paint)": 0.33, "refined(broken)": 0.1,
    "real": 0.55, "hybrid(synthetic)": 0.58, "hybrid(paint)": 0.62,
}  # fmt: skip
CLASSES = ("can", "<script>alert(1)</script>", "$5 & bottle")


CLAIMS = replace_defaults(
    ClaimFile(
        paper="Paper <b>", source="Somebody 2020", suite="shop", task="detection", models={"any": ("*",)},
        claims=(
            Claim(id="up", sentence="Paint & renders beat plain renders.", metric="mAP50", arm="refined(paint)",
                  reference="synthetic", direction="above"),
            Claim(id="down", sentence="Blur is as good as real images.", metric="mAP50", arm="refined(blur)",
                  reference="real", direction="at least", margin=0.01),
            Claim(id="never", sentence="An arm that nobody ran is good.", metric="mAP50", arm="refined(never)",
                  reference="real", direction="above"),
        ),
    )
)  # fmt: skip


def resamples_of(rows: list[Row]) -> dict[tuple[str, str, int], dict[str, np.ndarray]]:
    """The headline metric on drawn test sets: images that are easy are so for every arm."""
    easy = np.random.default_rng(9).normal(0, 0.03, 200)
    return {
        (row.model, row.arm, row.replicate): {"mAP50": row.value * (1 + easy)} for row in rows if row.metric == "mAP50"
    }


def scene(seed: int, size: int = 96) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """An image of three bright rectangles with their boxes."""
    random = np.random.default_rng(seed)
    image = np.full((size, size, 3), 70, np.uint8) + random.integers(0, 20, (size, size, 3), dtype=np.uint8)
    boxes = []
    for k in range(3):
        x, y = 6 + 30 * k, int(random.integers(8, 40))
        w, h = int(random.integers(14, 24)), int(random.integers(24, 44))
        image[y : y + h, x : x + w] = random.integers(60, 250, 3)
        boxes.append((x, y, x + w, y + h))
    return image, np.asarray(boxes, np.float32), [0, 1, 2]


def rows_of(models: tuple[str, ...], arms: tuple[str, ...], replicates: int, lower: bool = False) -> list[Row]:
    """Values whose pairs share a replicate's luck, two aggregate metrics and one per class."""
    rows = []
    for m, model in enumerate(models):
        for replicate in range(replicates):
            luck = np.random.default_rng(100 * m + replicate).normal(0, 0.02)
            for a, name in enumerate(arms):
                arm = parse_arm(name)
                base = LEVEL[name.split("@")[0]] + (0.02 * np.log10((arm.added or 0) + 1) - 0.04 if arm.added else 0)
                own = 0 if name in ("synthetic", "refined(identity)") else a
                noise = np.random.default_rng([m, replicate, own]).normal(0, 0.012)
                value = base - 0.03 * m + luck + noise
                common = {
                    "suite": "shop", "profile": "quick", "world": "shelf:2", "real_kind": "stand-in",
                    "task": "detection", "model": model, "arm": name, "refiner": arm.refiner, "replicate": replicate,
                    "n_train": 200, "n_test": 80, "steps": 400, "seconds": 41.5 + a, "peak_mib": 900.0,
                    "status": "ok", "reason": "", "higher_is_better": not lower,
                }  # fmt: skip
                scores = {"mAP50": value, "mAP": value * 0.55}
                scores |= {f"AP50/{c}": value + 0.1 * (k - 1) for k, c in enumerate(CLASSES)}
                rows += [Row(metric=n, value=float(90 * (1 - v) if lower else v), **common) for n, v in scores.items()]
    return rows


def spoil(row: Row) -> Row:
    """Trouble of every kind."""
    if row.arm == "refined(broken)" and row.model == "ssd":
        return replace(row, status="skipped", value=float("nan"), reason="package <b>broken</b> is not installed")
    if row.arm == "refined(broken)" and row.replicate == 1:
        return replace(row, status="failed", value=float("nan"), reason="step 120: total_loss is nan | see the log")
    return row


def summary_in(
    folder: Path,
    models: tuple[str, ...] = ("pvanet", "ssd"),
    replicates: int = 3,
    lower: bool = False,
    trouble: bool = True,
) -> RunSummary:
    """A run whose models, replicates and direction can be chosen, and whether anything went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep = {"added": (50, 200), "sources": ("synthetic", "paint"), "models": (models[0],)}
    sweep_arms = tuple(f"hybrid({s})@{n}" for s in sweep["sources"] for n in sweep["added"])
    rows = rows_of(models, ARMS, replicates, lower) + rows_of(models[:1], sweep_arms, replicates, lower)
    if trouble:
        # hybrid(paint) of the last model never ran at replicate 1.
        rows = [spoil(r) for r in rows if (r.model, r.arm, r.replicate) != (models[-1], "hybrid(paint)", 1)]
    suite: dict[str, Any] = {
        "name": "shop", "title": "Shop detection", "profile": "quick", "task": "detection", "metric": "mAP50",
        "reference_arm": "synthetic", "controls": ("identity",), "baselines": ("blur",), "arms": ARMS,
        "models": models, "arm_models": {}, "replicates": replicates, "sweep": sweep, "paper": "Wang2019-VTR",
    }  # fmt: skip
    lines = ["step,adversarial_loss,cycle_consistency_loss,discriminator_loss"]
    for step in range(1, 201):
        losses = (0.3 + 1 / step, 10 * np.exp(-step / 60) + 0.8, 0.25 + 0.01 * (step % 7))
        lines.append(f"{step}," + ",".join(f"{loss:.4f}" for loss in losses))
    log = folder / "losses.csv"
    log.write_text("\n".join(lines) + "\n")
    samples = [scene(k) for k in range(3)]
    boxes, classes = [s[1] for s in samples], [s[2] for s in samples]
    gallery = [
        GalleryColumn("synthetic", [s[0] for s in samples], boxes, classes),
        GalleryColumn("refined(paint)", [255 - s[0] for s in samples], boxes, classes),
        GalleryColumn("real", [s[0] for s in samples[:2]], [None, None], [[], []]),
    ]
    return RunSummary(
        out=folder, suite=suite, real_kind="stand-in", rows=rows, gallery=gallery, class_names=CLASSES,
        command="python -m bench run --suite shop --set note='<i>'", costs={"paint": 210.0, "blur": 3.25},
        environment={"python": "3.11.7", "devices": ["cpu: 2 cores"]}, notes=["paint: templates used: 4 <of 4>"],
        curves=[LossCurve("paint, replicate 0", log)], verdicts=judge([CLAIMS], rows, profile="quick"),
        resamples=resamples_of(rows), test_groups=40,
    )  # fmt: skip


@pytest.fixture
def make_summary(tmp_path: Path) -> Callable[..., RunSummary]:
    """`summary_in` a folder of the test's own."""
    return lambda **options: summary_in(tmp_path / "out", **options)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    """A run with its report; tests read it and leave it as it is."""
    summary = summary_in(tmp_path_factory.mktemp("report") / "out")
    build_report(summary)
    return summary
