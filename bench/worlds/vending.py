"""The vending world: a fridge cabinet with packaged products, as plain renders and as stand-in photographs."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from bench.contracts import Context, PluginConfig, SplitRequest
from bench.samples import U8, Domain, Labels
from bench.seeds import derive
from bench.worlds.fridge.cabinet import FRONT, Machine, camera, draw_lamps
from bench.worlds.fridge.layout import Placement, arrange
from bench.worlds.fridge.materials import texels_for
from bench.worlds.fridge.products import PRODUCTS
from bench.worlds.rendering import pathtrace
from bench.worlds.rendering.gbuffer import GBuffer
from bench.worlds.rendering.labels import labels_of
from bench.worlds.rendering.mesh import F64, I64
from bench.worlds.rendering.photograph import CameraBody, decode, photograph, warp_labels
from bench.worlds.rendering.scene import Part
from bench.worlds.rendering.shading import flat_lambert
from bench.worlds.rendering.visible import visible_scene
from bench.worlds.rendering.world import RenderedWorld, Shot


class Vending(RenderedWorld):
    """A fridge cabinet with two shelves, ten packaged products and one fixed camera (setting: Wang et al. 2019).

    ``synthetic`` is a plain rasteriser's picture: flat shading, no shadow, coarse prints that are a little off in
    colour, an ideal pinhole camera. ``real`` is the stand-in for photographs: path traced light of LED strips and room,
    glossy and worn packaging, then a cheap camera (blur, distortion, wrong exposure and white balance, noise, JPEG).
    Both show the same products and the same cabinet, never the same arrangement.

    Labels of both: boxes, instances, foreground and depth, of what is visible. Products of which less than
    ``min_visible_fraction`` is seen are taken out before rendering; a visible piece of less than ``min_visible_area``
    of the image is not labelled. The set real/train also has ``backgrounds`` pictures of the empty cabinet.

    Image k of a split depends on (seed, domain, split, k), the size and the configuration alone. The cabinet's look and
    the camera's constants depend on the seed alone: every real picture of one seed comes from one machine.
    """

    name = "vending"
    version = 1
    class_names: ClassVar[tuple[str, ...]] = tuple(product.name for product in PRODUCTS)
    labels: ClassVar[tuple[str, ...]] = ("boxes", "instances", "foreground", "depth")

    class Config(PluginConfig):
        """How the pictures are drawn.

        Attributes:
            samples_per_pixel: paths traced per pixel of a real image, before denoising.
            backgrounds: empty-cabinet templates that real/train gets, each under its own light.
            min_objects, max_objects: range that the number of products is drawn from.
            min_visible_fraction: of a product's silhouette; what shows less is taken out of the scene.
            min_visible_area: of the image; what shows less is not labelled.
        """

        samples_per_pixel: int = Field(4, ge=1, le=1024)
        backgrounds: int = Field(8, ge=0, le=100)
        min_objects: int = Field(1, ge=1)
        max_objects: int = Field(20, le=20)
        min_visible_fraction: float = Field(0.25, gt=0, le=1)
        min_visible_area: float = Field(0.001, ge=0, le=1)

        @model_validator(mode="after")
        def _ordered(self) -> Vending.Config:
            if self.min_objects > self.max_objects:
                raise ValueError(f"min_objects {self.min_objects} is above max_objects {self.max_objects}")
            return self

    config: Vending.Config

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Render the split; see `World.image_set`. Raises `UsageError` for real images without the path tracer."""
        ids = [f"{request.domain}-{request.split}-{index:05d}" for index in range(request.count)]
        shots = [Shot(id, id, index) for index, id in enumerate(ids)]
        empty = self.config.backgrounds if (request.domain, request.split) == ("real", "train") else 0
        backgrounds = [partial(self._template, request, number) for number in range(empty)]
        self.write(request, context, shots, partial(self.sample, request), backgrounds)

    def sample(self, request: SplitRequest, index: int) -> tuple[U8 | bytes, Labels]:
        """Image ``index`` of a split and its labels: (H, W, 3) uint8 if synthetic, JPEG bytes if real."""
        size, placed = request.size, self.layout(request, index)
        if request.domain == "synthetic":
            parts = _parts(request, "synthetic", placed)
            parts, buffer = visible_scene(parts, camera(size), self.config.min_visible_fraction)
            return flat_lambert(buffer, parts), self._labels(placed, buffer.instance, buffer.depth, size)
        jpeg, buffer = self._photograph(request, placed, ("real", request.split, index))
        body = _body(request.seed)
        instance = warp_labels(buffer.instance, body, size, body.margin(size))
        depth = warp_labels(buffer.depth, body, size, body.margin(size))
        return jpeg, self._labels(placed, instance, depth, size)

    def _template(self, request: SplitRequest, number: int) -> U8:
        return decode(self._photograph(request, [], ("background", number))[0])

    def layout(self, request: SplitRequest, index: int) -> list[Placement]:
        """What stands where in image ``index`` of a split, before hidden products are taken out."""
        seed = derive(self.name, request.seed, request.domain, request.split, index, "layout")
        return arrange(np.random.default_rng(seed), self.config.min_objects, self.config.max_objects)

    def _photograph(
        self, request: SplitRequest, placed: list[Placement], axes: tuple[str | int, ...]
    ) -> tuple[bytes, GBuffer]:
        """One picture by the stand-in camera: JPEG and the buffer of the ideal view with its margin."""
        body = _body(request.seed)
        view = camera(request.size).with_margin(body.margin(request.size))
        parts, buffer = visible_scene(_parts(request, "real", placed), view, self.config.min_visible_fraction)
        rng = np.random.default_rng(derive(self.name, request.seed, *axes, "light"))
        lamps, ambient = draw_lamps(rng)
        linear = pathtrace.trace(
            parts, lamps, ambient, view, buffer, samples=self.config.samples_per_pixel,
            seed=derive(self.name, request.seed, *axes, "paths"),
        )
        return photograph(linear, buffer.depth, body, request.size, rng), buffer

    def _labels(self, placed: list[Placement], instance: I64, depth: F64, size: int) -> Labels:
        classes = {number: placement.product for number, placement in enumerate(placed, start=1)}
        return labels_of(instance, depth, classes, max(1, round(self.config.min_visible_area * size * size)))


def _parts(request: SplitRequest, domain: Domain, placed: list[Placement]) -> list[Part]:
    texels = texels_for(request.size)
    objects = [placement.parts(number, domain, texels) for number, placement in enumerate(placed, start=1)]
    return [*Machine.of(request.seed).parts(domain), *(part for parts in objects for part in parts)]


def _body(world_seed: int) -> CameraBody:
    """The machine's camera, focused at about the middle of the cabinet."""
    distance = float(np.hypot(camera(1).eye[1] - FRONT / 2, 0.1))
    return CameraBody.draw(np.random.default_rng(derive("vending", "camera", world_seed)), distance)
