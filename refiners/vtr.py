"""Virtual-to-real of Wang et al. 2019 (arXiv 1904.12294): CycleGAN with a background and a foreground loss in hue.

The paper's objective is L = L_GAN + lambda_1 L_cyc + lambda_2 L_BG + lambda_3 L_FG. Its figure sends both masked
branches through the hue channel of HSV; we know neither the weights nor the norm, so each is a setting here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from bench.contracts import Context, PluginConfig
from bench.samples import ImageSet
from bench.spool import Rows
from refiners.cycle import Content, Translation
from refiners.cyclegan import CycleGan, CycleGanConfig
from refiners.hue import masked_hue_loss
from refiners.losses import masked_colour_loss
from refiners.masks import rendered_masks, subtracted_masks


class VtrConfig(CycleGanConfig):
    """CycleGAN's settings, and the weights and forms of the two content losses."""

    lambda_background: float = Field(5.0, ge=0)
    """Weight of the background loss, each direction."""
    lambda_foreground: float = Field(10.0, ge=0)
    """Weight of the foreground loss, each direction."""
    background_space: Literal["rgb", "hue"] = "hue"
    """What must not change outside of the objects: hue (the paper's figure), or colour (as some accounts of it say)."""
    foreground_space: Literal["rgb", "hue"] = "hue"
    """What must not change on the objects."""
    content_norm: Literal["l1", "l2"] = "l1"
    """Norm of both content losses."""
    mask_threshold: float = Field(3.5, gt=0)
    """How far from the empty scene, in units of its noise, a real pixel is foreground (`refiners.masks`)."""


class Vtr(CycleGan):
    """CycleGAN that keeps the hue of objects and of the background.

    Synthetic foreground comes from the renderer's masks, or from filled boxes where the set has only those. Real
    foreground comes from subtracting the empty-scene templates of the real set; its labels are never read. Without
    templates the real direction has no content losses (G's have their whole effect on what `refine` gives; F keeps
    the adversarial and cycle losses). What was done stands in ``notes.txt``.
    """

    name = "vtr"
    version = 1
    shares = False
    needs: ClassVar[frozenset[str]] = frozenset({"boxes"})  # masks where the set has them, else filled boxes
    Config: ClassVar[type[PluginConfig]] = VtrConfig

    def masks(
        self, synthetic: ImageSet, real: ImageSet, images: Rows, context: Context
    ) -> tuple[Rows | None, Rows | None]:
        """Masks of both domains; the real ones are None without templates."""
        rendered, kind = rendered_masks(synthetic)
        templates = real.backgrounds()
        found = subtracted_masks(images, templates, self.config.mask_threshold) if templates else None
        if found is None:
            how = "unknown, the real set has no empty-scene templates: foreground and background losses of the real "
            how += "direction are off"
        else:
            share = f"{found.mean():.1%}, synthetic {rendered.mean():.1%}"
            how = f"subtracted from {len(templates)} empty-scene templates (covers {share})"
        write_notes(context.directory / "notes.txt", kind, how)
        return rendered, found

    def content(self) -> Content:
        """Background and foreground losses of G, and of F where real masks are known."""
        return self._content

    def _content(self, made: Translation) -> Mapping[str, tuple[float, Tensor]]:
        config, batch = self.config, made.batch
        losses: dict[str, tuple[float, Tensor]] = {}
        for name, output, source, mask in (
            ("synthetic", made.refined, batch.synthetic, batch.synthetic_mask),
            ("real", made.simplified, batch.real, batch.real_mask),
        ):
            if mask is None or output is None:
                continue
            background = content_loss(config.background_space, config.content_norm, output, source, 1 - mask)
            foreground = content_loss(config.foreground_space, config.content_norm, output, source, mask)
            losses[f"background_{name}"] = (config.lambda_background, background)
            losses[f"foreground_{name}"] = (config.lambda_foreground, foreground)
        return losses


def content_loss(space: str, norm: str, output: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    """Change inside a mask, in hue (chroma-weighted, circular) or colour; see `refiners.hue`, `refiners.losses`."""
    loss = masked_hue_loss if space == "hue" else masked_colour_loss
    return loss(output, source, mask, norm)


def write_notes(path: Path, kind: str, real: str) -> None:
    """Say in one line where foreground came from."""
    rendered = "masks" if kind == "foreground" else "filled boxes"
    path.write_text(f"synthetic foreground: {rendered}; real foreground: {real}\n")
