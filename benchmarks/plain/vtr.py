"""Wang et al. 2019: CycleGAN's step with losses of the foreground's and of the background's hue."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from benchmarks.plain.cyclegan import PlainCycleGan
from benchmarks.plain.data import PlainBatch
from refiners.hue import masked_hue_loss


class PlainVtr(PlainCycleGan):
    """Both directions have masks."""

    def content(self, batch: PlainBatch, refined: Tensor, simplified: Tensor) -> Mapping[str, tuple[float, Tensor]]:
        """Change of hue outside and inside of the masks."""
        losses = {}
        for name, output, source, mask in (
            ("synthetic", refined, batch.synthetic, batch.synthetic_mask),
            ("real", simplified, batch.real, batch.real_mask),
        ):
            if mask is not None:
                outside, inside = masked_hue_loss(output, source, 1 - mask), masked_hue_loss(output, source, mask)
                losses[f"background_{name}"] = self.config.lambda_background, outside
                losses[f"foreground_{name}"] = self.config.lambda_foreground, inside
        return losses
