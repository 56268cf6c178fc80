"""Twins are found after recompression, resizing and letterboxing, and other scenes are not taken for twins."""

import io

import numpy as np
import pytest
from folders import picture
from PIL import Image, ImageEnhance

from bench.formats.duplicates import fingerprint, twins
from bench.formats.geometry import place


def photo(seed):
    noisy = picture(seed, 160, 120).astype(int) + np.random.default_rng(seed).integers(-12, 13, (120, 160, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def recompressed(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=50)
    return Image.open(buffer).convert("RGB")


PHOTOS = [fingerprint(str(seed), photo(seed)) for seed in range(30)]


def test_equal_pixels_are_exact_twins():
    found = list(twins(PHOTOS, [fingerprint("copy", photo(7))]))
    assert [(a.name, b.name, exact) for a, b, exact in found] == [("7", "copy", True)]


@pytest.mark.parametrize(
    "change",
    [
        recompressed,
        lambda image: image.resize((60, 45)),
        lambda image: ImageEnhance.Brightness(image).enhance(1.04),
        lambda image: Image.fromarray(place(160, 120, 96).image(image)),
    ],
    ids=["recompressed", "smaller", "brighter", "letterboxed"],
)
def test_changed_copies_are_near_twins(change):
    copies = [fingerprint(f"copy {seed}", change(photo(seed))) for seed in range(0, 30, 3)]
    found = {(a.name, b.name, exact) for a, b, exact in twins(PHOTOS, copies)}
    assert found == {(str(seed), f"copy {seed}", False) for seed in range(0, 30, 3)}


def test_other_pictures_are_no_twins():
    others = [fingerprint(f"other {seed}", photo(seed)) for seed in range(100, 140)]
    assert not list(twins(PHOTOS, others))
    assert not list(twins([], others)) and not list(twins(others, []))


def test_flat_pictures_of_different_colour_are_no_twins():
    flat = [fingerprint(str(level), Image.new("RGB", (50, 50), (level, level, level))) for level in (30, 90, 200)]
    assert not list(twins(flat[:1], flat[1:]))


def test_letterbox_bars_do_not_make_twins():
    boxed = [
        fingerprint(str(seed), Image.fromarray(place(160, 20, 96).image(Image.fromarray(picture(seed, 160, 20)))))
        for seed in range(20)
    ]
    assert not list(twins(boxed[:10], boxed[10:]))
    assert fingerprint("bars alone", Image.new("RGB", (8, 8), (128, 128, 128))).bits.size == 32
