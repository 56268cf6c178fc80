"""What the rendered worlds share: when the real domain can be rendered, and the writer of a split."""

from __future__ import annotations

import importlib.metadata
from typing import ClassVar

from bench.contracts import Context, SplitRequest, World
from bench.errors import UsageError
from bench.formats.layout import ImageSetWriter
from bench.samples import RealKind
from bench.worlds.rendering import pathtrace


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
