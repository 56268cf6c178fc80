from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Context
from bench.errors import LabelsHiddenError
from bench.samples import ImageSet
from refiners.crops import Batch
from refiners.cycle import Translation
from refiners.hue import masked_hue_loss
from refiners.losses import masked_colour_loss
from refiners.vtr import Vtr, VtrConfig

TINY: dict[str, Any] = {"steps": 2, "ngf": 2, "ndf": 2, "n_blocks": 1, "n_layers": 1, "crop": 24, "sheets": 0}


def translation(real_mask: bool = True) -> Translation:
    torch.manual_seed(0)
    x, y, refined, simplified = (torch.rand(1, 3, 8, 8) * 2 - 1 for _ in range(4))
    masks = [(torch.rand(1, 1, 8, 8) < 0.4).float() for _ in range(2)]
    return Translation(Batch(x, y, masks[0], masks[1] if real_mask else None), refined, simplified)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_both_directions_have_both_losses_with_their_weights(norm: Any) -> None:
    made = translation()
    config = VtrConfig(lambda_background=2.0, lambda_foreground=7.0, background_space="rgb", content_norm=norm)
    losses = Vtr(config).content()(made)
    batch = made.batch
    assert batch.synthetic_mask is not None
    assert batch.real_mask is not None
    expected = {
        "background_synthetic": (2, masked_colour_loss(made.refined, batch.synthetic, 1 - batch.synthetic_mask, norm)),
        "foreground_synthetic": (7, masked_hue_loss(made.refined, batch.synthetic, batch.synthetic_mask, norm)),
        "background_real": (2, masked_colour_loss(made.simplified, batch.real, 1 - batch.real_mask, norm)),
        "foreground_real": (7, masked_hue_loss(made.simplified, batch.real, batch.real_mask, norm)),
    }
    assert losses.keys() == expected.keys()
    for name, (weight, value) in expected.items():
        assert losses[name][0] == weight
        torch.testing.assert_close(losses[name][1], value)


def test_without_real_masks_the_real_direction_has_no_content_losses() -> None:
    losses = Vtr(VtrConfig()).content()(translation(real_mask=False))
    assert set(losses) == {"background_synthetic", "foreground_synthetic"}


def test_with_templates_all_four_losses_are_logged(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    Vtr(VtrConfig(**TINY)).fit(synthetic, real, context)
    header = (context.directory / "losses.csv").read_text().splitlines()[0].split(",")
    assert {"background_synthetic", "foreground_synthetic", "background_real", "foreground_real"} <= set(header)
    notes = (context.directory / "notes.txt").read_text()
    assert notes.startswith("synthetic foreground: masks; real foreground: subtracted from 3 empty-scene templates")
    assert notes.count("\n") == 1


def test_without_templates_and_with_boxes_alone_it_says_so(
    make_set: Callable[..., ImageSet], context: Context
) -> None:
    synthetic = make_set("synthetic", 3, labels=("boxes",))
    real = make_set("real", 3).unlabelled()
    Vtr(VtrConfig(**TINY)).fit(synthetic, real, context)
    header = (context.directory / "losses.csv").read_text().splitlines()[0].split(",")
    assert "foreground_synthetic" in header
    assert "foreground_real" not in header
    notes = (context.directory / "notes.txt").read_text()
    assert notes.startswith("synthetic foreground: filled boxes; real foreground: unknown")
    assert "losses of the real direction are off" in notes
    assert notes.count("\n") == 1


def test_real_labels_are_never_read(
    synthetic: ImageSet, real: ImageSet, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    labels = ImageSet.labels

    def watched(images: ImageSet, index: int) -> Any:
        read.append(images.domain)
        return labels(images, index)

    monkeypatch.setattr(ImageSet, "labels", watched)
    Vtr(VtrConfig(**TINY)).fit(synthetic, real, context)
    assert set(read) == {"synthetic"}
    with pytest.raises(LabelsHiddenError):
        real.labels(0)


def test_real_masks_find_the_objects(make_set: Callable[..., ImageSet], context: Context) -> None:
    truth = make_set("real", 8, seed=3, size=(64, 80), backgrounds=4)
    vtr = Vtr(VtrConfig(**TINY))
    rendered, found = vtr.masks(make_set("synthetic", 2, size=(64, 80)), truth.unlabelled(), truth.images(), context)
    assert rendered is not None
    assert found is not None
    expected = np.stack([truth.labels(i).foreground for i in range(len(truth))])
    assert (found & expected).sum() / expected.sum() > 0.9
    assert (found & expected).sum() / found.sum() > 0.6
