"""Views of a room: a plain render, or a stand-in photograph, each with depth and semantics."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from bench.samples import U8, Domain, Labels
from bench.seeds import derive
from bench.worlds.furnished.camera import Viewpoint, see
from bench.worlds.furnished.room import Room
from bench.worlds.rendering.mesh import F64, I64
from bench.worlds.rendering.pathtrace import Tracer
from bench.worlds.rendering.photograph import CameraBody, photograph, warp_labels
from bench.worlds.rendering.shading import flat_lambert


@lru_cache(maxsize=4)
def room(place: int, domain: Domain, split: str, number: int) -> Room:
    """A room, kept while it is in use: building it costs as much as a view."""
    return Room(place, domain, split, number)


@lru_cache(maxsize=1)
def _tracer(seen: Room) -> Tracer:
    return Tracer(seen.parts, seen.lamps, (0.0, 0.0, 0.0), bounces=5)


@lru_cache(maxsize=8)
def body(place: int) -> CameraBody:
    """The camera of a world, focused at 2.5 m; its small sensor has a deep focus, its lens is nearly straight."""
    drawn = CameraBody.draw(np.random.default_rng(derive("rooms", "camera", place)), 2.5)
    return replace(drawn, blur=0.4 * drawn.blur, barrel=0.5 * drawn.barrel)


def render_synthetic(seen: Room, view: Viewpoint, size: int, field_of_view: float) -> tuple[U8, Labels]:
    """A plain render (size, size, 3) of the ideal camera, and its labels."""
    buffer = see(seen, view.camera(size, field_of_view))
    image = flat_lambert(buffer, seen.parts, light=(-0.35, -0.55, 0.75), ambient=0.6)
    return image, _labels(buffer.depth, buffer.instance)


def render_real(
    seen: Room, view: Viewpoint, size: int, field_of_view: float, samples: int, seed: int
) -> tuple[bytes, Labels]:
    """A stand-in photograph, (size, size) JPEG bytes, and its labels in the photograph's frame.

    ``samples`` are paths per pixel; ``seed`` draws paths, noise and exposure.
    """
    lens = body(seen.place)
    margin = lens.margin(size)
    camera = view.camera(size, field_of_view).with_margin(margin)
    buffer = see(seen, camera)
    linear = _tracer(seen).render(camera, buffer, samples=samples, seed=derive(seed, "paths"))
    jpeg = photograph(linear, buffer.depth, lens, size, np.random.default_rng(derive(seed, "camera")))
    depth = warp_labels(buffer.depth, lens, size, margin)
    return jpeg, _labels(depth, warp_labels(buffer.instance, lens, size, margin))


def _labels(depth: F64, instance: I64) -> Labels:
    return Labels(depth=depth.astype(np.float32), semantic=(instance - 1).astype(np.uint8))
