"""GeneSIS-RT, Stein and Roy 2018 (arXiv 1710.04280): a CycleGAN over whole frames of a simulator and of a camera.

The paper trains the unpaired translation of Zhu et al. 2017 on simulated frames and unlabelled real ones, and its
downstream networks on what comes out. Its settings are not known to us, so the defaults are those of CycleGAN's
reference implementation; the loop, losses and networks are `refiners.cyclegan`'s, not a second copy.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from bench.contracts import PluginConfig
from refiners.cyclegan import CycleGan, CycleGanConfig


class GenesisRtConfig(CycleGanConfig):
    """CycleGAN's settings; frames are enlarged a little and cropped back to their own size, whatever that is."""

    crop: int = Field(0, ge=0)
    """Side of the random crop in pixels; 0: as large as the frame (its shorter side, where it is not square)."""

    @field_validator("crop")
    @classmethod
    def _whole_or_large_enough(cls, crop: int) -> int:
        if 0 < crop < 16:
            raise ValueError("at least 16 pixels, or 0 for the whole frame")
        return crop


class GenesisRt(CycleGan):
    """Translate whole frames. A scene's layout (sky above, ground below) is then part of what is learnt.

    `refiners.cyclegan.CycleGan` says what `fit` leaves. ``lambda_identity`` (0.5, relative to the cycle weights) keeps
    colours where the domains already agree; 0 switches it off.
    """

    name = "genesis-rt"
    version = 1
    shares = False
    Config: ClassVar[type[PluginConfig]] = GenesisRtConfig

    def crop_side(self, size: tuple[int, int]) -> int:
        """The frame's shorter side, unless the settings say otherwise."""
        return int(self.config.crop) or min(size)
