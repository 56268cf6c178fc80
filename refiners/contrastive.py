"""Patchwise contrastive learning, Park et al. 2020 (arXiv 2007.15651): a patch of the refined image should be closer
to the patch at the same place of the input than to other patches of that input, in the generator's own features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refiners.networks import ResidualBlock, ResnetGenerator


def patch_nce_loss(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """InfoNCE over the patches of each image (equations 3 and 4 of the paper, the sum over places as a mean).

    Args:
        queries: (B, P, D), unit vectors of P patches of the refined images; patch p has its positive in key p.
        keys: (B, P, D), unit vectors of the input images; no gradient flows into them. The other keys of the same
            image are the negatives.
        temperature: the similarities are divided by it.

    Returns:
        A scalar, the mean cross-entropy; log P when the keys cannot be told apart.
    """
    similarity = torch.bmm(queries, keys.detach().transpose(1, 2)).float() / temperature
    positive = similarity.diagonal(dim1=1, dim2=2)
    return (similarity.logsumexp(2) - positive).mean()


def tap_indices(generator: ResnetGenerator) -> list[int]:
    """Layers of the generator's body whose outputs are compared; -1 is the image itself.

    As in appendix C.2 of the paper: the pixels, the stride-2 convolutions, and the first and the middle residual
    block (the fifth of nine). A generator without residual blocks has only the former.
    """
    layers = list(generator.body)
    strided = [k for k, layer in enumerate(layers) if isinstance(layer, nn.Conv2d) and layer.stride[0] > 1]
    blocks = [k for k, layer in enumerate(layers) if isinstance(layer, ResidualBlock)]
    return [-1, *strided, *sorted({blocks[0], blocks[(len(blocks) - 1) // 2]} if blocks else set())]


def tap_channels(generator: ResnetGenerator) -> list[int]:
    """Channels of each tapped layer, in order."""
    channels = []
    for index in tap_indices(generator):
        layer = None if index < 0 else generator.body[index]
        if isinstance(layer, nn.Conv2d):
            channels.append(layer.out_channels)
        else:
            channels.append(3 if layer is None else _wide(generator))
    return channels


def tap_positions(generator: ResnetGenerator, height: int, width: int) -> list[int]:
    """Positions h w of each tapped layer for images of (height, width) pixels, in order."""
    counts, sides = [], (height, width)
    for index in tap_indices(generator):
        if index >= 0 and isinstance(generator.body[index], nn.Conv2d):
            sides = ((sides[0] + 1) // 2, (sides[1] + 1) // 2)
        counts.append(sides[0] * sides[1])
    return counts


def _wide(generator: ResnetGenerator) -> int:
    """Channels of the residual blocks."""
    first = next(layer for layer in generator.body if isinstance(layer, nn.Conv2d))
    return first.out_channels * generator.multiple


def encode(generator: ResnetGenerator, image: Tensor, whole: bool = False) -> tuple[list[Tensor], Tensor]:
    """Features of (B, 3, H, W) images at every tapped layer, (B, C, h, w) each, and the last layer's output.

    The last layer is the last tapped one, or with ``whole`` the body's, from which `ResnetGenerator.finish` goes on.
    """
    taps = tap_indices(generator)
    features, x = [image], image
    for index, layer in enumerate(generator.body):
        if index > taps[-1] and not whole:
            break
        x = layer(x)
        if index in taps:
            features.append(x)
    return features, x


class PatchSampler(nn.Module):
    """A two-layer perceptron for every tapped layer, on its features at some random places (section 3 of the paper).

    Args:
        channels: of each layer.
        width: hidden units and length of the embedding (the paper: 256).
        patches: places a layer, drawn without repetition (the paper: 256), or all of them where there are fewer.
    """

    def __init__(self, channels: Sequence[int], width: int = 256, patches: int = 256) -> None:
        super().__init__()
        self.patches = patches
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(count, width), nn.ReLU(), nn.Linear(width, width)) for count in channels
        )

    def places(self, positions: Sequence[int]) -> list[Tensor]:
        """Draw places from torch's global generator in main memory: for each layer, indices into its h w positions."""
        return [torch.randperm(count)[: self.patches] for count in positions]

    def forward(self, features: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """(B, C, h, w) features to (B, P, width) unit vectors at the given places, a layer each."""
        embedded = []
        for head, feature, place in zip(self.heads, features, places, strict=True):
            patches = feature.flatten(2).index_select(2, place).transpose(1, 2)
            embedded.append(F.normalize(head(patches).float(), dim=2))
        return embedded
