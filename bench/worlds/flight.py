"""The flight world: obstacle courses seen from a low flying quadcopter, as plain renders and stand-in photographs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
from pydantic import Field

from bench.contracts import Context, PluginConfig, SplitRequest
from bench.errors import UsageError
from bench.samples import U8, Labels
from bench.worlds.courtyard.course import Course
from bench.worlds.courtyard.flight import Pose, frames, node_pose
from bench.worlds.courtyard.lattice import nodes
from bench.worlds.courtyard.obstacles import CLASSES
from bench.worlds.courtyard.views import course, known, render_real, render_synthetic
from bench.worlds.rendering.world import RenderedWorld, Shot


@dataclass(frozen=True, slots=True)
class View:
    """One picture to take: of which course, from where, as what; ``node`` is row and column in the lattice, or None."""

    id: str
    course: Course
    pose: Pose
    seed: int
    node: tuple[int, int] | None


class Flight(RenderedWorld):
    """A walled lane with trees, bushes, poles, walls, crates and vans, seen by a quadcopter at 1.4 m (90 degrees wide).

    The setting of Stein and Roy 2017 (arXiv 1710.04280), whose data were never released: the courses are ours.
    ``synthetic`` looks like a game engine: flat colours, a plain sky, no shadow. ``real`` is the stand-in for
    photographs: path traced sun and sky, weathered materials, motion blur, then a cheap camera. No course is in two
    sets; a course is the group of its images.

    Split "train" is flights: ``frames_per_course`` frames each. Split "test" is *lattices*, so that a task can fly
    through the real look in a closed loop, without a renderer: of each course one view from every free node of a
    lattice (rows 1.5 m apart along the course, 9 columns 0.75 m apart across it, heading straight on). A task predicts
    on the views as on any image; its score then starts at row 0, steers by the prediction of the node that it is at,
    and steps to a node of the next row. Whether it hits something on its way is geometry: `bench.formats.courses`
    reads the ground plan from the vectors. Nodes that a quadcopter of 0.3 m radius cannot be at have no view: who keeps
    to that radius or a larger one crashes before it gets there. Some way through every course leads from the middle of
    the start along neighbouring nodes to the last row.

    A test split holds whole courses: the most that fit into the images asked for (`available`).

    Labels: ``semantic`` (8 classes), ``depth`` (metres; 0 = sky), and vectors: ``free`` (16): metres to the nearest
    obstacle within 0.5 m above or below the camera, at most 20, in sectors of equal angle from the left edge of the
    view to the right; ``pose``: x, y, height, heading; ``corridor`` and ``obstacles``: see `GroundPlan`; ``node`` (only
    split "test"): row and column.

    A course depends on (seed, domain, split, its number), an image on these, its place and the configuration alone.
    """

    name = "flight"
    version = 1
    class_names: ClassVar[tuple[str, ...]] = CLASSES
    labels: ClassVar[tuple[str, ...]] = ("semantic", "depth", "vectors")

    class Config(PluginConfig):
        """How the pictures are drawn.

        Attributes:
            samples_per_pixel: paths traced per pixel of a real image, before denoising.
            frames_per_course: pictures of one flight, in split "train".
            train_length, test_length: metres from start to finish of a course.
            density: obstacles per metre that a course aims at; where there is no room, it has fewer.
        """

        samples_per_pixel: int = Field(4, ge=1, le=1024)
        frames_per_course: int = Field(8, ge=1, le=1000)
        train_length: float = Field(40.0, ge=4, le=100)
        test_length: float = Field(24.0, ge=4, le=100)
        density: float = Field(0.6, ge=0, le=2)

    config: Flight.Config

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Render the split; see `World.image_set`.

        Raises:
            UsageError: for real images without the path tracer, or fewer test images than one course has nodes.
        """
        views = itertools.islice(self.views(request), self.available(request))
        prefix = f"{request.domain}-{request.split}"
        shots = [Shot(view.id, f"{prefix}-{view.course.number:04d}", view) for view in views]
        self.write(request, context, shots, partial(self.sample, size=request.size))

    def available(self, request: SplitRequest) -> int:
        """As many as asked for of split "train"; of split "test" the views of whole courses.

        Raises:
            UsageError: if not even one course fits.
        """
        if request.split == "train":
            return request.count
        total, number = 0, 0
        while (more := total + len(nodes(self._course(request, number).plan))) <= request.count:
            total, number = more, number + 1
        if total == 0:
            raise UsageError(
                f"[counts]: {request.count} {request.domain} test images, but the first course of world flight has "
                f"{more} views; ask for at least as many, or lower test_length of [world]"
            )
        return total

    def views(self, request: SplitRequest) -> Iterator[View]:
        """The views of a split in order, without an end."""
        number = 0
        while True:
            seen = self._course(request, number)
            prefix = f"{request.domain}-{request.split}-{number:04d}"
            if request.split == "test":
                for row, column in nodes(seen.plan):
                    rng = np.random.default_rng(seen.seed("pose", row, column))
                    pose, seed = node_pose(row, column, rng), seen.seed("view", row, column)
                    yield View(f"{prefix}-{row:03d}-{column}", seen, pose, seed, (row, column))
            else:
                rng = np.random.default_rng(seen.seed("poses", self.config.frames_per_course))
                for index, pose in enumerate(frames(seen.plan, self.config.frames_per_course, rng)):
                    yield View(f"{prefix}-{index:03d}", seen, pose, seen.seed("view", index), None)
            number += 1

    def sample(self, view: View, size: int) -> tuple[U8 | bytes, Labels]:
        """A view and its labels: (size, size, 3) uint8 if synthetic, JPEG bytes if real."""
        image: U8 | bytes
        seen = known(view.course)
        if seen.domain == "synthetic":
            image, labels = render_synthetic(seen, view.pose, size)
        else:
            image, labels = render_real(seen, view.pose, size, self.config.samples_per_pixel, view.seed)
        if view.node is None:
            return image, labels
        node = np.array(view.node, np.float32)
        return image, replace(labels, vectors={**labels.vectors, "node": node})

    def _course(self, request: SplitRequest, number: int) -> Course:
        length = self.config.train_length if request.split == "train" else self.config.test_length
        return course(request.seed, request.domain, request.split, number, length, self.config.density)
