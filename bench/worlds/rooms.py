"""The rooms world: furnished rooms with depth and semantics, as plain renders and as stand-in photographs."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pydantic import Field

from bench.contracts import Context, PluginConfig, SplitRequest
from bench.samples import U8, Labels
from bench.worlds.furnished.camera import Viewpoint, draw_viewpoint
from bench.worlds.furnished.items import CLASSES
from bench.worlds.furnished.room import Room
from bench.worlds.furnished.views import render_real, render_synthetic, room
from bench.worlds.rendering.world import RenderedWorld, Shot


class Rooms(RenderedWorld):
    """Bedrooms, living rooms, dining rooms and studies of 3 to 6 m, seen from 1.2 to 1.8 m above the floor.

    The indoor setting of Zheng et al. 2018 (SUNCG to NYUv2), whose synthetic half can no longer be had: the rooms are
    ours. ``synthetic`` looks like an asset library in a plain rasteriser: flat colours, no shadow, an ideal pinhole.
    ``real`` is the stand-in for photographs: path traced daylight and lamps (mixed, or at night lamps alone), grained,
    woven and glossy surfaces, then a cheap camera (wrong exposure and white balance, blur, noise, JPEG).

    Labels of both: ``depth``, metres along the optical axis, known everywhere (0.3 to 9 m), and ``semantic``: wall,
    floor, ceiling, window, bed, table, seat, cabinet, lamp, other; there is no void. Windows end at their panes.

    ``views_per_room`` successive images show one room, their group; no room is in two sets. A room depends on (seed,
    domain, split, its number), an image on these, its number in the room, the size and the configuration alone. All
    real images of one seed are taken by one camera.
    """

    name = "rooms"
    version = 1
    class_names: ClassVar[tuple[str, ...]] = CLASSES
    labels: ClassVar[tuple[str, ...]] = ("depth", "semantic")

    class Config(PluginConfig):
        """How the pictures are drawn.

        Attributes:
            samples_per_pixel: paths traced per pixel of a real image, before denoising.
            views_per_room: pictures taken in one room.
            field_of_view: degrees that an image spans, in both domains.
        """

        samples_per_pixel: int = Field(8, ge=1, le=1024)
        views_per_room: int = Field(4, ge=1, le=1000)
        field_of_view: float = Field(68.0, ge=40, le=90)

    config: Rooms.Config

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Render the split; see `World.image_set`. Raises `UsageError` for real images without the path tracer."""
        shots = []
        for index in range(request.count):
            number, view = divmod(index, self.config.views_per_room)
            group = f"{request.domain}-{request.split}-{number:05d}"
            shots.append(Shot(f"{group}-{view}", group, index))
        self.write(request, context, shots, partial(self.sample, request))

    def sample(self, request: SplitRequest, index: int) -> tuple[U8 | bytes, Labels]:
        """Image ``index`` of a split and its labels: (size, size, 3) uint8 if synthetic, JPEG bytes if real."""
        seen, view = self.drawn(request, index)
        span = self.config.field_of_view
        if request.domain == "synthetic":
            return render_synthetic(seen, view, request.size, span)
        seed = seen.seed("view", index % self.config.views_per_room)
        return render_real(seen, view, request.size, span, self.config.samples_per_pixel, seed)

    def drawn(self, request: SplitRequest, index: int) -> tuple[Room, Viewpoint]:
        """Room and viewpoint of image ``index`` of a split."""
        number, view = divmod(index, self.config.views_per_room)
        seen = room(request.seed, request.domain, request.split, number)
        return seen, draw_viewpoint(seen, view, self.config.field_of_view)
