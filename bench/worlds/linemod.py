"""The linemod world: crops of eleven small objects with their pose, as plain renders and as stand-in photographs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from bench.contracts import Context, PluginConfig, SplitRequest
from bench.samples import U8, Labels
from bench.seeds import derive
from bench.worlds.objects.backgrounds import photograph_like
from bench.worlds.objects.catalogue import NAMES
from bench.worlds.objects.poses import View
from bench.worlds.objects.sensor import measured, relative
from bench.worlds.objects.table import TARGET, draw_lamps, object_parts, surroundings, uncovered
from bench.worlds.rendering import pathtrace
from bench.worlds.rendering.labels import labels_of
from bench.worlds.rendering.mesh import F64, I64
from bench.worlds.rendering.photograph import CameraBody, photograph, warp_labels
from bench.worlds.rendering.shading import flat_lambert
from bench.worlds.rendering.visible import visible_scene
from bench.worlds.rendering.world import RenderedWorld, Shot


class Linemod(RenderedWorld):
    """Eleven objects without rotational symmetry, one a crop (setting: Bousmalis et al. 2017, Table 2).

    A crop is centred on the object's centre and shows 20 cm at its distance. ``synthetic`` is a plain rasteriser's
    picture of the object alone, on black or on random pictures (Table 3). ``real`` is the stand-in for photographs:
    the worn object path traced on a table in clutter that may hide a part of it, then a camera (wrong exposure and
    white balance, blur, noise, JPEG).

    Labels of both, of the one object: box, class, instance, foreground (what is seen of it), the vector ``quaternion``
    (w, x, y, z; unit, w >= 0; object to camera axes x right, y down, z forward), and depth in metres relative to the
    object's centre: 0.2 at the centre, in (0, 0.4], everything beyond 0.4, so that a span of 0.4 becomes [-1, 1] with
    the background at 1. Synthetic depth is exact and its background empty whatever is painted behind. Real depth is
    what a depth camera measures, table and clutter included: noise of 2 mm, steps, readings lost at edges (0.4).

    Image k of a split depends on (seed, domain, split, k), the size and the configuration alone; classes come in
    shuffled rounds of eleven. The camera's constants depend on the seed alone.
    """

    name = "linemod"
    version = 1
    class_names: ClassVar[tuple[str, ...]] = NAMES
    labels: ClassVar[tuple[str, ...]] = ("boxes", "instances", "foreground", "depth", "vectors")
    options_of: ClassVar[Mapping[str, Literal["synthetic", "real"]]] = {
        "background": "synthetic", "samples_per_pixel": "real", "min_visible_fraction": "real",
    }  # fmt: skip

    class Config(PluginConfig):
        """How the crops are drawn.

        Attributes:
            background: behind synthetic objects: "black", or "procedural" pictures (the paper's ImageNet variant).
            samples_per_pixel: paths traced per pixel of a real image, before denoising.
            min_visible_fraction: of the object's silhouette in real images; clutter that hides more is taken away.
        """

        background: Literal["black", "procedural"] = "black"
        samples_per_pixel: int = Field(4, ge=1, le=1024)
        min_visible_fraction: float = Field(0.6, gt=0, le=1)

    config: Linemod.Config

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Render the split; see `World.image_set`. Raises `UsageError` for real images without the path tracer."""
        ids = [f"{request.domain}-{request.split}-{index:05d}" for index in range(request.count)]
        shots = [Shot(id, id, index) for index, id in enumerate(ids)]
        self.write(request, context, shots, partial(self.sample, request))

    def sample(self, request: SplitRequest, index: int) -> tuple[U8 | bytes, Labels]:
        """Image ``index`` of a split and its labels: (H, W, 3) uint8 if synthetic, JPEG bytes if real."""
        cls, view = self.drawn(request, index)
        rng = np.random.default_rng(self._seed(request, index, "scene"))
        if request.domain == "synthetic":
            parts, buffer = visible_scene(object_parts(cls, view, real=False), view.camera(request.size), 0.0)
            image = flat_lambert(buffer, parts, background=(0.0, 0.0, 0.0))
            if self.config.background == "procedural":
                image = np.where(buffer.hit[..., None], image, photograph_like(request.size, rng))
            return image, _labels(cls, view, buffer.instance, buffer.depth)
        body = replace(_body(request.seed), focus=view.distance * float(rng.uniform(0.96, 1.04)))
        margin = body.margin(request.size)
        camera = view.camera(request.size).with_margin(margin)
        everything = object_parts(cls, view, real=True) + surroundings(cls, view, rng)
        parts, buffer = visible_scene(uncovered(everything, camera, self.config.min_visible_fraction), camera, 0.0)
        lamps, ambient = draw_lamps(view, rng)
        linear = pathtrace.trace(
            parts, lamps, ambient, camera, buffer, samples=self.config.samples_per_pixel,
            seed=self._seed(request, index, "paths"),
        )
        jpeg = photograph(linear, buffer.depth, body, request.size, rng)
        instance = warp_labels(buffer.instance, body, request.size, margin)
        depth = measured(warp_labels(buffer.depth, body, request.size, margin), rng)
        return jpeg, _labels(cls, view, instance, depth)

    def drawn(self, request: SplitRequest, index: int) -> tuple[int, View]:
        """Class and view of image ``index`` of a split."""
        turn, place = divmod(index, len(NAMES))
        order = np.random.default_rng(self._seed(request, turn, "classes")).permutation(len(NAMES))
        view = View.draw(np.random.default_rng(self._seed(request, index, "view")))
        return int(order[place]), view

    def _seed(self, request: SplitRequest, number: int, axis: str) -> int:
        return derive(self.name, request.seed, request.domain, request.split, number, axis)


def _labels(cls: int, view: View, instance: I64, depth: F64) -> Labels:
    found = labels_of(np.where(instance == TARGET, 1, 0), relative(depth, view.distance), {1: cls}, 1)
    return replace(found, vectors={"quaternion": view.quaternion.astype(np.float32)})


def _body(world_seed: int) -> CameraBody:
    """The camera of a world: a crop from near the middle of its picture, so nothing of the lens's warp is left."""
    drawn = CameraBody.draw(np.random.default_rng(derive("linemod", "camera", world_seed)), 1.0)
    return replace(drawn, barrel=0.0, shift=(0.0, 0.0), vignette=0.1 * drawn.vignette, chromatic=0.5 * drawn.chromatic)
