"""What the rendered worlds share: when the real domain can be rendered, and the writer of a split."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bench.contracts import Context, Progress, SplitRequest, World
from bench.errors import UsageError
from bench.formats.layout import ImageSetWriter
from bench.samples import U8, Labels, RealKind
from bench.worlds.rendering import pathtrace
from bench.worlds.rendering.parallel import in_order, processes_for

TIMED = 4
"""So many pictures are drawn first, to see whether the others are worth more processes."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture to take: its id and group in the set, and what the world's drawing function is called with."""

    id: str
    group: str
    item: Any


class RenderedWorld(World):
    """A world that is rendered on the user's machine; its real domain is a stand-in and needs the optional path tracer.

    Attributes:
        class_names: of the labels.
        labels: the kinds that every split carries.
    """

    real_kind: ClassVar[RealKind] = "stand-in"
    class_names: ClassVar[tuple[str, ...]]
    labels: ClassVar[tuple[str, ...]]

    @classmethod
    def skip(cls) -> str | None:
        """The real domain needs the optional path tracer."""
        return pathtrace.missing()

    def writer(self, request: SplitRequest, context: Context) -> ImageSetWriter:
        """A writer for the split, with what made it; raises `UsageError` for real images without the path tracer."""
        real = request.domain == "real"
        reason = pathtrace.missing() if real else None
        if reason:
            raise UsageError(f"world {self.name} cannot render real images: {reason}")
        backends = {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "pillow")}
        return ImageSetWriter(
            context.directory, domain=request.domain, kind=self.real_kind if real else "rendered",
            class_names=self.class_names, labels=self.labels,
            provenance={
                "world": self.name, "version": self.version, "config": self.config.model_dump(),
                "request": {"split": request.split, "count": request.count, "size": request.size, "seed": request.seed},
                "backends": backends | (pathtrace.versions() if real else {}),
            },
        )  # fmt: skip

    def write(
        self,
        request: SplitRequest,
        context: Context,
        shots: Sequence[Shot],
        draw: Callable[[Any], tuple[U8 | bytes, Labels]],
        backgrounds: Sequence[Callable[[], U8]] = (),
    ) -> None:
        """Take the shots in as many processes as pay, write them in order, then the pictures of the empty scene.

        Args:
            request, context: as `World.image_set` got them.
            shots: in the order of the split.
            draw: picklable; gives an image, (H, W, 3) uint8 or JPEG bytes, and its labels for an item of a shot. The
                picture depends on the item alone, so the bytes do not depend on the number of processes.
            backgrounds: what the split also has of the scene without objects.

        Raises:
            UsageError: for real images without the path tracer.
        """
        writer = self.writer(request, context)
        total, begun, done = len(shots) + len(backgrounds), time.monotonic(), 0

        def count() -> None:
            nonlocal done
            done += 1
            context.progress(Progress(done, total, images_per_second=done / max(time.monotonic() - begun, 1e-9)))

        for shot, (image, labels) in zip(shots, _drawn(draw, shots), strict=True):
            writer.add(shot.id, image, labels, group=shot.group, suffix=".jpg")
            count()
        for background in backgrounds:
            writer.add_background(background())
            count()
        writer.close()


def _drawn(
    draw: Callable[[Any], tuple[U8 | bytes, Labels]], shots: Sequence[Shot]
) -> Iterator[tuple[U8 | bytes, Labels]]:
    seconds = []
    for shot in shots[:TIMED]:
        begun = time.monotonic()
        drawn = draw(shot.item)
        seconds.append(time.monotonic() - begun)
        yield drawn
    rest = shots[TIMED:]
    if rest:
        # The first picture loads what the others use, so the quickest tells more than the mean.
        processes = processes_for(len(rest), min(seconds))
        yield from in_order(draw, [shot.item for shot in rest], processes, [shot.group for shot in rest])
