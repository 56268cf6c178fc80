from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from bench.errors import DataError
from bench.samples import ImageSet
from refiners.masks import cleaned, design, rendered_masks, residual, subtracted_masks


def empty(lamp: float, random: np.random.Generator) -> np.ndarray:
    """A wall with a shelf, lit from the left by ``lamp`` and from the right."""
    wall = np.full((48, 64, 3), 120.0)
    wall[30:34] = 170
    across = np.linspace(0, 1, 64)[None, :, None]
    lit = wall * (lamp * (1 - across) + across)
    return np.clip(lit + random.normal(0, 1.5, lit.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def templates() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [empty(lamp, random) for lamp in (0.7, 0.9, 1.1)]


@pytest.mark.parametrize("lamp", [0.75, 1.0])
@pytest.mark.parametrize("gain", [(1, 1, 1), (0.8, 0.9, 1.1)])
def test_products_are_found_under_another_light_and_white_balance(
    lamp: float, gain: tuple[float, float, float], templates: list[np.ndarray]
) -> None:
    random = np.random.default_rng(1)
    image = empty(lamp, random).astype(float)
    truth = np.zeros((48, 64), np.bool_)
    for (y, x), colour in zip([(8, 5), (6, 30), (14, 48)], [(190, 60, 50), (60, 90, 180), (70, 160, 80)], strict=True):
        image[y : y + 20, x : x + 10] = colour
        truth[y : y + 20, x : x + 10] = True
    photo = np.clip(image * gain, 0, 255).astype(np.uint8)
    mask = subtracted_masks(photo[None], templates)[0]
    # Smoothing widens a 20 x 10 object by up to a pixel all round: 200 / 264 = 0.76 is the worst of a full find.
    assert (mask & truth).sum() / truth.sum() > 0.95
    assert (mask & truth).sum() / (mask | truth).sum() > 0.7


def test_an_empty_scene_has_no_foreground(templates: list[np.ndarray]) -> None:
    images = np.stack([empty(lamp, np.random.default_rng(5)) for lamp in (0.8, 1.0)])
    assert subtracted_masks(images, templates).mean() < 0.01


def test_an_empty_scene_is_a_mixture_of_templates(templates: list[np.ndarray]) -> None:
    scaled = np.stack([t / 255 for t in templates])
    mixture = 0.3 * scaled[0] + 0.5 * scaled[1] + 0.2 * scaled[2]
    assert residual(mixture, design(scaled)).max() < 0.01


def test_templates_of_another_size_are_resized(templates: list[np.ndarray]) -> None:
    large = [np.repeat(np.repeat(t, 2, axis=0), 2, axis=1) for t in templates]
    image = empty(0.9, np.random.default_rng(3))
    assert subtracted_masks(image[None], large).shape == (1, 48, 64)


def test_cleaning_fills_holes_and_drops_specks() -> None:
    mask = np.zeros((60, 60), np.bool_)
    mask[10:40, 10:40] = True
    mask[20:24, 20:24] = False
    mask[50, 50] = True
    mask[52:54, 10] = True
    out = cleaned(mask)
    assert out[20:24, 20:24].all()
    assert not out[45:].any()
    assert ndimage.label(out)[1] == 1


def test_masks_come_from_the_renderer_or_else_from_boxes(make_set: Callable[..., ImageSet]) -> None:
    both = make_set("synthetic", 3, seed=4)
    masks, kind = rendered_masks(both)
    assert kind == "foreground"
    for index in range(3):
        np.testing.assert_array_equal(masks[index], both.labels(index).foreground)
    boxes, kind = rendered_masks(make_set("synthetic", 3, seed=4, labels=("boxes",)))
    assert kind == "boxes"
    np.testing.assert_array_equal(boxes, masks)  # the objects of this set are boxes
    with pytest.raises(DataError, match="neither foreground masks nor boxes"):
        rendered_masks(make_set("synthetic", 1, labels=()))
