from __future__ import annotations

import numpy as np

from bench.contracts import Context
from bench.samples import ImageSet, Labels, Sample
from refiners.color_transfer import ColorTransfer, ColorTransferConfig, from_lab, statistics, to_lab


def test_the_space_is_invertible_and_grey_has_no_colour() -> None:
    image = np.random.default_rng(0).integers(1, 256, (16, 16, 3)).astype(np.uint8)
    assert np.abs(from_lab(to_lab(image)).astype(int) - image).max() <= 1
    grey = to_lab(np.full((2, 2, 3), 128, np.uint8))
    # The published matrix maps white to (0.9996, 0.9993, 0.9973): grey is colourless to three digits.
    assert np.abs(grey[..., 1:]).max() < 2e-3


def test_luminance_by_hand() -> None:
    # White: log10 of L, M, S = (0.9996, 0.9993, 0.9973), so l = sum / sqrt(3).
    expected = np.log10([0.9996, 0.9993, 0.9973]).sum() / np.sqrt(3)
    np.testing.assert_allclose(to_lab(np.full((1, 1, 3), 255, np.uint8))[0, 0, 0], expected, rtol=1e-9)


def test_the_result_has_the_statistics_of_a_real_image(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    refiner = ColorTransfer(ColorTransferConfig())
    refiner.fit(synthetic, real, context)
    targets = [statistics(to_lab(real.image(i))) for i in range(len(real))]
    drawn = set()
    for image in refiner.refine(list(synthetic), context):
        # Clipping to 8 bits moves the spread of saturated colours; the means hold.
        distance = [np.abs(statistics(to_lab(image))[0] - target[0]).max() for target in targets]
        assert min(distance) < 0.02
        drawn.add(int(np.argmin(distance)))
    assert len(drawn) > 1


def test_strength_zero_changes_nothing_and_set_is_the_mean(
    synthetic: ImageSet, real: ImageSet, context: Context
) -> None:
    refiner = ColorTransfer(ColorTransferConfig(strength=0))
    refiner.fit(synthetic, real, context)
    image = synthetic.image(0)
    assert np.abs(refiner.refine([synthetic[0]], context)[0].astype(int) - image).max() <= 1
    mean = ColorTransfer(ColorTransferConfig(target="set"))
    mean.fit(synthetic, real, context)
    target = np.mean([statistics(to_lab(real.image(i))) for i in range(len(real))], axis=0)
    refined = statistics(to_lab(mean.refine([synthetic[0]], context)[0]))
    np.testing.assert_allclose(refined[0], target[0], atol=0.02)


def test_a_flat_image_takes_the_mean_colour(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    refiner = ColorTransfer(ColorTransferConfig(target="set"))
    refiner.fit(synthetic, real, context)
    flat = Sample("flat", np.full((8, 8, 3), 90, np.uint8), "flat", Labels())
    out = refiner.refine([flat], context)[0]
    assert len(np.unique(out.reshape(-1, 3), axis=0)) == 1
    target = np.mean([statistics(to_lab(real.image(i)))[0] for i in range(len(real))], axis=0)
    np.testing.assert_allclose(to_lab(out)[0, 0], target, atol=0.02)
