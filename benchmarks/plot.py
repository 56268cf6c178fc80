"""``python -m benchmarks.plot``: results/speed/*.csv as one picture."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.measuring import ROOT

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def main() -> None:
    """Draw how much faster our steps are, and what planning and running again cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "speed")
    options = parser.parse_args()
    steps = [row for path in sorted(options.results.glob("steps*.csv")) for row in read(path) if row.get("ratio")]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    ratios(left, [row for row in steps if row["variant"] in ("ours-fp32", "ours-bf16")])
    costs(
        right, [row for name in ("plan", "runs") for row in read(options.results / f"{name}.csv") if row["size"] != "0"]
    )
    figure.savefig(options.results / "speed.png", dpi=110)


def read(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV, none where there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def ratios(axes: Any, rows: list[dict[str, Any]]) -> None:
    """A dot a refiner, image size and device."""
    names = sorted({(row["refiner"], int(row["px"])) for row in rows})
    for label, marker in (("cpu", "s"), ("cuda", "o")):
        for variant, colour in (("ours-fp32", "#3b6ea5"), ("ours-bf16", "#c2562b")):
            chosen = [r for r in rows if r["variant"] == variant and (r["device"] == "cpu") == (label == "cpu")]
            if chosen:
                x = [names.index((row["refiner"], int(row["px"]))) for row in chosen]
                device = chosen[0]["device"] if label == "cuda" else chosen[0]["machine"]
                name = f"{variant.removeprefix('ours-')}, {device}"
                axes.plot(x, [float(row["ratio"]) for row in chosen], marker, color=colour, label=name)
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_yticks([1, 2, 3, 5, 10], ["1", "2", "3", "5", "10"])
    axes.set_xticks(range(len(names)), [f"{name} {px}" for name, px in names], rotation=60, ha="right", fontsize=8)
    axes.set_ylabel("times as fast as the published step, transcribed")
    axes.legend(fontsize=7)


def costs(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Seconds against cells."""
    for case in sorted({row["case"] for row in rows}):
        chosen = [row for row in rows if row["case"] == case]
        axes.plot([int(r["size"]) for r in chosen], [float(r["seconds"]) for r in chosen], "o-", label=case)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("cells")
    axes.set_ylabel("seconds (processor)")
    axes.legend(fontsize=7)


if __name__ == "__main__":
    main()
