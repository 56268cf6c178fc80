"""Courses as lattices of painted views: a column's brightness tells how far it is free, so that it is soon learnt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.contracts import Context
from bench.formats.courses import GroundPlan
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import ImageSet, Labels

ROW, SIDES = 1.5, np.arange(-3, 3.01, 0.75)
DISC = GroundPlan(8.0, 9.0, 20.0, np.array([(5.0, 0.0, 0.0, 0.0, 0.0, 0.5)]))


def fan(plan: GroundPlan, eye: tuple[float, float], directions: int = 16) -> np.ndarray:
    """The free distances from a place, by rays."""
    edges = np.radians(np.linspace(45, -45, directions + 1))
    angles = np.linspace(edges[:-1], edges[1:], 4)
    return plan.cast(eye, angles.ravel(), 20.0).reshape(angles.shape).min(0)


def painted(free: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """(size, size, 3): the nearer, the brighter."""
    columns = np.interp(np.arange(size), (np.arange(len(free)) + 0.5) * size / len(free), free)
    shade = 230 - 60 * np.log(columns.clip(0.5))
    return (shade[None, :, None] + random.normal(0, 3, (size, size, 3))).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def make_courses(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ImageSet]:
    """Write and open a set of whole courses."""

    def make(*plans: GroundPlan, lattice: bool = True, size: int = 32) -> ImageSet:
        root: Path = tmp_path_factory.mktemp("courses")
        writer = ImageSetWriter(root, domain="real", kind="stand-in", class_names=["ground"], labels=["vectors"])
        random = np.random.default_rng(0)
        for number, plan in enumerate(plans):
            for row in range(int(plan.length / ROW) + 1):
                for column, y in enumerate(SIDES.tolist()):
                    if plan.collides((row * ROW, y), 0.3):
                        continue
                    free = fan(plan, (row * ROW, y))
                    vectors = {"free": free, "pose": np.array([row * ROW, y, 1.4, 0.0])} | plan.vectors()
                    if lattice:
                        vectors["node"] = np.array([row, column])
                    labels = Labels(vectors={name: value.astype(np.float32) for name, value in vectors.items()})
                    writer.add(f"{number}-{row}-{column}", painted(free, size, random), labels, group=f"c{number}")
        writer.close()
        return open_image_set(root)

    return make


@pytest.fixture(scope="session")
def courses(make_courses: Callable[..., ImageSet]) -> ImageSet:
    """A course with one disc, and one with a wall and a crate."""
    obstacles = np.array([(4.0, 1.0, 1.7, 1.2, 0.16, 0.0), (6.5, -1.5, 0.4, 0.5, 0.5, 0.0)])
    return make_courses(DISC, GroundPlan(8.0, 9.0, 20.0, obstacles))


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A context with a directory of its own."""
    return Context(seed=7, directory=tmp_path)
