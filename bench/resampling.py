"""Test images drawn again: what the metrics of a cell would have been on other test images of the same kind.

The score stage asks the task for every metric on `RESAMPLES` test sets that are drawn from the real one, whole groups
at a time. The draws depend on the groups alone, so draw b is the same test set for every cell of a run: differences of
two cells are paired image by image. What is kept is a number a draw and metric, so that metrics which are no mean over
images (average precision, mean IoU) are resampled as exactly as those that are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import DataError
from bench.samples import ImageSet
from bench.statistics import group_draws

if TYPE_CHECKING:
    from bench.contracts import Task

RESAMPLES = 1000
FILE = "resamples.npz"
_GROUPS = "number of groups"


def drawn_sets(groups: Sequence[str]) -> NDArray[np.int64]:
    """(RESAMPLES, N): how often each of N test images is in each drawn set."""
    return group_draws(groups, RESAMPLES, seed=0)


def ratio(draws: NDArray[np.int64], values: ArrayLike, weights: ArrayLike | None = None) -> NDArray[np.float64]:
    """A metric that is a sum over images by another one, on each of the drawn sets.

    Args:
        draws: (B, N) counts.
        values: (N,) what each image adds above the line; or (N, K), for a mean over K classes of such ratios.
        weights: of the same shape, what it adds below; 1 each when left out, which makes the metric a mean.

    Returns:
        (B,); NaN where a set has nothing below the line. A class with nothing below is left out of the mean.
    """
    above = np.asarray(values, np.float64)
    below = np.ones_like(above) if weights is None else np.asarray(weights, np.float64)
    top, bottom = (draws @ part.reshape(len(part), -1) for part in (above, below))
    present = bottom > 0
    shares = np.divide(top, bottom, out=np.zeros_like(top), where=present)
    count = present.sum(1)
    return np.asarray(np.divide(shares.sum(1), count, out=np.full(len(draws), np.nan), where=count > 0))


def write_resamples(folder: Path, task: Task, predictions: Path, truth: ImageSet) -> None:
    """Leave ``resamples.npz`` in ``folder``: metric -> (RESAMPLES,) values, for the metrics that the task can resample.

    Raises:
        DataError: the task returned a metric that it does not declare, or not one value a draw.
    """
    draws = drawn_sets(truth.groups)
    found = {name: np.asarray(values, np.float64) for name, values in task.resample(predictions, truth, draws).items()}
    count = len(draws)
    for name, values in found.items():
        if name not in task.metrics or values.shape != (count,):
            raise DataError(f"task '{task.name}': resample: '{name}' {values.shape}, not {count} values of a metric")
    groups = np.array(len(set(truth.groups)))
    np.savez(folder / FILE, **{_GROUPS: groups, **found})  # type: ignore[arg-type]


def read_resamples(folder: Path) -> tuple[int, Mapping[str, NDArray[np.float64]]]:
    """The number of groups, and what `write_resamples` left; (0, {}) where there is nothing to read."""
    try:
        with (folder / FILE).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return int(file[_GROUPS]), {name: file[name] for name in file.files if name != _GROUPS}
    except Exception:  # numpy, zipfile and zlib raise whatever broken bytes lead them to
        return 0, {}
