"""Views of a course: a plain render, or a stand-in photograph, each with all its labels."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from bench.samples import U8, Domain, Labels
from bench.seeds import derive
from bench.worlds.courtyard.course import Course
from bench.worlds.courtyard.distances import free_distances
from bench.worlds.courtyard.flight import Pose
from bench.worlds.courtyard.motion import blurred, draw_flow
from bench.worlds.courtyard.obstacles import CLASSES
from bench.worlds.rendering.gbuffer import GBuffer, gbuffer
from bench.worlds.rendering.mesh import F64
from bench.worlds.rendering.pathtrace import Tracer
from bench.worlds.rendering.photograph import CameraBody, photograph, warp_labels
from bench.worlds.rendering.raster import rasterise
from bench.worlds.rendering.scene import Camera
from bench.worlds.rendering.shading import flat_lambert

_SKY = (0.53, 0.74, 0.95)
_FARTHEST = 65.0  # metres; the layout's depth maps end at 65.535


@lru_cache(maxsize=4)
def course(place: int, domain: Domain, split: str, number: int, length: float, density: float) -> Course:
    """A course, kept while it is in use: building it costs more than a view."""
    return Course(place, domain, split, number, length, density)


@lru_cache(maxsize=4)
def known(seen: Course) -> Course:
    """The first of equal courses, so that what it has built serves those that come from another process too."""
    return seen


@lru_cache(maxsize=1)
def _tracer(seen: Course) -> Tracer:
    sun, sky = seen.light
    return Tracer(seen.parts, [sun], sky, bounces=3)


@lru_cache(maxsize=8)
def body(place: int) -> CameraBody:
    """The quadcopter's camera: one individual a place. Its small sensor has a deep focus."""
    drawn = CameraBody.draw(np.random.default_rng(derive("flight", "camera", place)), 5.0)
    return replace(drawn, blur=0.4 * drawn.blur)


def render_synthetic(seen: Course, pose: Pose, size: int) -> tuple[U8, Labels]:
    """A plain render (size, size, 3) of the ideal camera, and its labels: semantic, depth and vectors."""
    view = pose.camera(size)
    buffer = _buffer(seen, view)
    image = flat_lambert(buffer, seen.parts, light=(-0.5, 0.4, 0.8), ambient=0.55, background=_SKY)
    return image, _labels(seen, pose, buffer.depth, _semantic(buffer), view.rays())


def render_real(seen: Course, pose: Pose, size: int, samples: int, seed: int) -> tuple[bytes, Labels]:
    """A stand-in photograph, (size, size) JPEG bytes, and its labels in the photograph's frame.

    ``samples`` are paths per pixel; ``seed`` draws noise, exposure and the blur of the motion.
    """
    lens = body(seen.place)
    margin = lens.margin(size)
    view = pose.camera(size).with_margin(margin)
    buffer = _buffer(seen, view)
    linear = _tracer(seen).render(view, buffer, samples=samples, seed=derive(seed, "paths"))
    rng = np.random.default_rng(derive(seed, "camera"))
    linear = blurred(linear, draw_flow(buffer.depth, view.focal, rng))
    jpeg = photograph(linear, buffer.depth, lens, size, rng)
    depth = warp_labels(buffer.depth, lens, size, margin)
    semantic = warp_labels(_semantic(buffer), lens, size, margin)
    rays = np.stack([warp_labels(axis, lens, size, margin) for axis in np.moveaxis(view.rays(), -1, 0)], -1)
    return jpeg, _labels(seen, pose, depth, semantic, rays)


def _buffer(seen: Course, view: Camera) -> GBuffer:
    face = rasterise(seen.geometry, view).nearest(view.height, view.width)
    return gbuffer(seen.geometry, seen.parts, view, face)


def _semantic(buffer: GBuffer) -> U8:
    """Class indices; where nothing is hit there is sky."""
    return np.where(buffer.hit, buffer.instance - 1, CLASSES.index("sky")).astype(np.uint8)


def _labels(seen: Course, pose: Pose, depth: F64, semantic: U8, rays: F64) -> Labels:
    vectors = {
        "free": free_distances(depth, semantic, rays, pose.heading),
        "pose": np.array([pose.x, pose.y, pose.z, pose.heading], np.float32),
    }
    known = np.where(depth < _FARTHEST, depth, 0).astype(np.float32)
    return Labels(depth=known, semantic=semantic, vectors=vectors | seen.plan.vectors())
