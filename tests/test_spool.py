"""Spools on disk and arrays in memory give the same bytes, wherever a whole set is asked for."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench import spool
from bench.conformance.mock_world import MockWorld
from bench.contracts import Context, SplitRequest
from bench.describe import construct
from bench.errors import DataError
from bench.formats.layout import open_image_set
from bench.frames import DeviceRows, Frames
from bench.samples import ImageSet
from bench.spool import Spool, spooled, spooling
from refiners.adaptation import AdaptationBatches
from refiners.crops import UnpairedCrops, resized
from refiners.masks import rendered_masks, subtracted_masks
from tasks.detection.batches import TrainingImages
from tasks.supervised import pick

PICK = [5, 0, 5, 11]


def item(index: int) -> NDArray[Any]:
    return np.random.default_rng(index).integers(0, 256, (3, 4, 5), np.uint8)


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    request = SplitRequest("synthetic", "train", 12, 32, seed=3)
    MockWorld(MockWorld.Config()).image_set(request, Context(3, tmp_path / "set"))
    return open_image_set(tmp_path / "set")


def test_a_spool_is_indexed_like_the_array() -> None:
    whole, kept = Spool(7, (3, 4, 5), np.uint8, item), np.stack([item(index) for index in range(7)])
    assert whole.shape == kept.shape and len(whole) == 7 and whole.nbytes == kept.nbytes and whole.dtype == kept.dtype
    for chosen in ([3, 0, 3], 2, -1, np.int64(4), slice(1, 6, 2), slice(0, 0), [], range(5)):
        wanted = list(chosen) if isinstance(chosen, range) else chosen
        np.testing.assert_array_equal(whole[chosen], kept[wanted])
    assert all((one == other).all() for one, other in zip(whole, kept, strict=True))
    assert whole.mean() == pytest.approx(kept.mean())
    for beyond in (7, -8, [0, 7]):
        with pytest.raises(IndexError):
            whole[beyond]


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float32, np.int64])
def test_every_kind_of_number_comes_back_as_it_was(dtype: type) -> None:
    kept = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(dtype)
    assert (Spool(4, (2, 3), dtype, lambda index: kept[index])[range(4)] == kept).all()


def test_small_sets_stay_in_memory_and_large_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(spooled(7, (3, 4, 5), np.uint8, item), np.ndarray)
    monkeypatch.setattr(spool, "IN_MEMORY", 7 * 60 - 1)
    assert isinstance(spooled(7, (3, 4, 5), np.uint8, item), Spool)


def test_its_file_has_no_name_lies_beside_the_stage_and_ends_with_it(tmp_path: Path) -> None:
    def files() -> list[str]:
        found = []
        for link in Path("/proc/self/fd").iterdir():
            try:
                found.append(os.readlink(link))  # noqa: PTH115 (the listing's own descriptor is gone)
            except OSError:
                continue
        return [name for name in found if name.startswith(str(tmp_path))]

    with spooling(tmp_path):
        made = Spool(7, (3, 4, 5), np.uint8, item)
    assert list(tmp_path.iterdir()) == [] and len(files()) == 1
    del made
    gc.collect()
    assert files() == []


def test_an_item_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="item 1 has shape"):
        Spool(2, (3,), np.uint8, lambda index: np.zeros(3 + index, np.uint8))


def frames(data: ImageSet) -> list[Any]:
    return [Frames(data).batch(PICK), Frames(data.sensed({"depth": 2.0})).batch(range(12))]


def detection(data: ImageSet) -> list[Any]:
    found, targets = TrainingImages(data, "cpu").batch(PICK, 0.5, np.random.default_rng(0))
    return [found, *(target.boxes for target in targets), *(target.classes for target in targets)]


def targets(data: ImageSet) -> list[Any]:
    return [
        pick({name: DeviceRows(rows) for name, rows in construct("task", task, {}).targets(data).items()}, PICK)[label]
        for task, label in (("segmentation", "semantic"), ("depth", "depth"))
    ]


def adaptation(data: ImageSet) -> list[Any]:
    batch = AdaptationBatches("x", data, data, 4, Context(0, Path()), masks=True)(2)
    assert batch.mask is not None
    return [batch.source, batch.target, batch.mask]


def crops(data: ImageSet) -> list[Any]:
    masks, kind = rendered_masks(data)
    real = resized(data, 24, 40)
    empty = [np.full((24, 40, 3), 140, np.uint8)]
    found = UnpairedCrops(
        resized(data, 24, 40), real, None, subtracted_masks(real, empty), batch_size=4, resize=1.2, crop=24, multiple=4,
        flip=True, context=Context(0, Path()),
    )(1)  # fmt: skip
    assert found.real_mask is not None and kind == "foreground"
    return [found.synthetic, found.real, found.real_mask, torch.from_numpy(masks[PICK])]


@pytest.mark.parametrize("what", [frames, detection, targets, adaptation, crops])
def test_a_batch_is_the_same_to_the_last_byte_from_memory_and_from_disk(
    images: ImageSet, what: Callable[[ImageSet], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    start = Spool.__init__
    monkeypatch.setattr(Spool, "__init__", lambda self, *rest: made.append(1) or start(self, *rest))
    memory = what(images)
    assert not made
    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    disk = what(images)
    assert made
    assert len(memory) == len(disk) > 0
    for one, other in zip(memory, disk, strict=True):
        assert one.dtype == other.dtype and one.stride() == other.stride()
        assert torch.equal(one, other)


def test_an_image_of_another_size_than_the_annotations_say_is_named(images: ImageSet) -> None:
    from PIL import Image

    Image.new("RGB", (30, 30)).save(images.records[4].path)
    for use in (images.images, lambda: Frames(images)):
        with pytest.raises(DataError, match=r"004\.png: is 30x30, but its annotations say 32x32"):
            use()
