"""Images that another program refined: pairing by name, and every image that cannot be used named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.contracts import Context
from bench.errors import DataError
from bench.formats.registration import shift_between
from bench.samples import ImageSet
from refiners.external import External


@pytest.fixture(scope="module")
def renders(make_set: Callable[..., ImageSet]) -> ImageSet:
    return make_set("synthetic", 6, seed=3, size=(64, 64))


@pytest.fixture
def folder(renders: ImageSet, tmp_path: Path) -> Path:
    """Warmer copies of the renders, as another program would leave them: half of them JPEG."""
    out = tmp_path / "refined"
    out.mkdir()
    for number, sample in enumerate(renders):
        warm = np.clip(sample.image * np.array([1.2, 1.0, 0.8]), 0, 255).astype(np.uint8)
        Image.fromarray(warm).save(out / f"{sample.id}.{'jpg' if number % 2 else 'png'}", quality=90)
    return out


def external(folder: Path, **settings: Any) -> External:
    return External(External.Config(folder=folder, **settings))


def test_pairs_by_name_whatever_the_suffix(renders: ImageSet, folder: Path, context: Context) -> None:
    refiner = external(folder)
    refiner.prepare(renders, context)
    images = refiner.refine(list(renders)[::-1], context)[::-1]
    for sample, image in zip(renders, images, strict=True):
        assert image.shape == sample.image.shape and image.dtype == np.uint8
        assert image[..., 0].mean() > sample.image[..., 0].mean() + 5


def test_the_fingerprint_is_of_content_and_not_of_place(folder: Path, tmp_path: Path) -> None:
    before = external(folder).fingerprint()
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert external(tmp_path / "elsewhere").fingerprint() == before
    first = sorted((tmp_path / "elsewhere").iterdir())[0]
    first.write_bytes(first.read_bytes() + b"\0")
    changed = external(tmp_path / "elsewhere").fingerprint()
    assert changed != before
    first.rename(first.with_stem("other"))
    assert external(tmp_path / "elsewhere").fingerprint() not in (before, changed)


def shifted(path: Path, across: int, down: int) -> None:
    image = np.asarray(Image.open(path))
    Image.fromarray(np.roll(image, (down, across), (0, 1))).save(path)


def test_everything_that_is_wrong_is_named_in_one_line(renders: ImageSet, folder: Path, context: Context) -> None:
    (folder / "s000.png").unlink()
    Image.new("RGB", (64, 64)).save(folder / "holiday.png")
    Image.new("RGB", (32, 64)).save(folder / "s002.png")
    shifted(folder / "s004.png", 3, -2)
    (folder / "s001.jpg").write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        external(folder).prepare(renders, context)
    text = str(caught.value)
    assert "\n" not in text
    for part in (
        "1 missing: s000", "1 extra: holiday.png", "1 broken: s001.jpg (not a readable image",
        "1 resized: s002.png (32x64, not 64x64)", "1 shifted: s004.png (by 3 px right and 2 px up)",
    ):
        assert part in text


def test_tolerances_are_the_users(renders: ImageSet, folder: Path, context: Context) -> None:
    shifted(folder / "s004.png", 3, 0)
    Image.new("RGB", (64, 64)).save(folder / "holiday.png")
    external(folder, max_shift=3, extras="allow").prepare(renders, context)
    with pytest.raises(DataError, match="1 shifted"):
        external(folder, max_shift=2, extras="allow").prepare(renders, context)


def test_images_of_the_renders_own_size_are_fitted_as_the_renders_were(
    make_set: Callable[..., ImageSet], renders: ImageSet, tmp_path: Path, context: Context
) -> None:
    """Renders of 64x32 pixels that the suite letterboxed to 64x64; the refined ones have 128x64."""
    from bench.formats.geometry import place
    from bench.formats.layout import ImageSetWriter, open_image_set

    wide = make_set("synthetic", 3, seed=4, size=(32, 64))
    writer = ImageSetWriter(tmp_path / "set", domain="synthetic", kind="rendered", class_names=["a"], labels=[])
    (tmp_path / "refined").mkdir()
    for sample in wide:
        picture = Image.fromarray(sample.image)
        writer.add(sample.id, place(64, 32, 64).image(picture), sample.labels)
        picture.resize((128, 64), Image.Resampling.BILINEAR).save(tmp_path / "refined" / f"{sample.id}.png")
    writer.close()
    boxed = open_image_set(tmp_path / "set")
    with pytest.raises(DataError, match=r"3 resized: s000.png \(128x64, not 64x64\).*fit = 'letterbox'"):
        external(tmp_path / "refined").prepare(boxed, context)
    refiner = external(tmp_path / "refined", fit="letterbox")
    refiner.prepare(boxed, context)
    made = refiner.refine([boxed[0]], context)[0]
    assert np.abs(made.astype(int) - boxed[0].image.astype(int)).mean() < 4
    picture = Image.fromarray(wide[0].image)
    picture.resize((96, 96)).save(tmp_path / "refined" / "s000.png")
    with pytest.raises(DataError, match="its shape is not the render's"):
        refiner.prepare(boxed, context)


@pytest.mark.parametrize(("across", "down"), [(2, 0), (0, -2), (-5, 3), (9, 9)])
def test_a_shift_is_found_through_a_change_of_looks(renders: ImageSet, across: int, down: int) -> None:
    random, found = np.random.default_rng(1), 0
    for sample in renders:
        changed = 255 - sample.image * np.array([0.5, 0.8, 0.6]) + random.normal(0, 2, sample.image.shape)
        after = np.clip(changed, 0, 255).astype(np.uint8)
        assert shift_between(sample.image, after, 1) is None
        shift = shift_between(sample.image, np.roll(after, (down, across), (0, 1)), 1)
        assert shift in (None, (across, down)), "never a wrong offset"
        found += shift is not None
    assert found >= len(renders) - 1


def test_pictures_without_edges_in_common_are_not_called_shifted(renders: ImageSet) -> None:
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert shift_between(flat, flat, 1) is None
    assert shift_between(renders[0].image, flat, 1) is None
    for seed in range(30):
        noise = np.random.default_rng(seed).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        assert shift_between(renders[0].image, noise, 1) is None


@pytest.mark.parametrize(("make", "text"), [(False, "no such folder"), (True, "no images in it")])
def test_a_folder_that_is_not_there_is_told_while_planning(tmp_path: Path, make: bool, text: str) -> None:
    if make:
        (tmp_path / "refined").mkdir()
    with pytest.raises(DataError, match=text):
        external(tmp_path / "refined").fingerprint()
