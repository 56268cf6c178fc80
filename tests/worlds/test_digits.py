"""The digits world: printed and handwritten sets, splits, sources on disk, and what goes wrong with them."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.contracts import Context, SplitRequest
from bench.describe import construct
from bench.errors import DataError, UsageError
from bench.formats.layout import open_image_set
from bench.plugins import find
from bench.samples import ImageSet
from bench.worlds.digits import DigitsWorld
from bench.worlds.handwriting import sources
from bench.worlds.handwriting.printed import FONTS, Print, printed_digit
from bench.worlds.handwriting.splits import dealt, fitted

needs_sklearn = pytest.mark.skipif(sources.sklearn_missing() is not None, reason=str(sources.sklearn_missing()))


def world(**config: Any) -> DigitsWorld:
    made = construct("world", "digits", {k: str(v) if isinstance(v, Path) else v for k, v in config.items()})
    assert isinstance(made, DigitsWorld)
    return made


def request(domain: str = "real", split: str = "train", count: int = 20, size: int = 24, seed: int = 3) -> SplitRequest:
    return SplitRequest(domain, split, count, size, seed)  # type: ignore[arg-type]


def written(made: DigitsWorld, wanted: SplitRequest, root: Path) -> ImageSet:
    made.image_set(wanted, Context(wanted.seed, root))
    return open_image_set(root)


def npz(path: Path, count: int = 30, prefixes: tuple[str, ...] = ("",)) -> Path:
    """Picture k is grey level k + 1 in its middle; its class is k modulo 10."""
    arrays = {}
    for part, prefix in enumerate(prefixes):
        images = np.zeros((count, 8, 8), np.uint8)
        images[:, 2:6, 2:6] = (np.arange(count) + 1 + 100 * part).astype(np.uint8)[:, None, None]
        arrays |= {f"{prefix}x": images, f"{prefix}y": np.arange(count) % 10}
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def contents(data: ImageSet) -> set[bytes]:
    return {image.tobytes() for image in data.images()}


def test_found_by_name() -> None:
    assert find("world", "digits").load() is DigitsWorld


def test_printed_digits_are_bright_on_black_and_labelled(tmp_path: Path) -> None:
    data = written(world(), request("synthetic", count=40, size=32), tmp_path)
    assert (data.domain, data.kind, data.has) == ("synthetic", "rendered", {"boxes", "foreground"})
    assert data.size == (32, 32) and data.class_names == tuple("0123456789")
    assert data.groups == data.ids
    for index, sample in enumerate(data):
        assert sample.labels.classes is not None and sample.labels.classes.tolist() == [index % 10]
        mask = sample.labels.foreground
        assert mask is not None and sample.labels.boxes is not None
        rows, columns = np.nonzero(mask)
        assert sample.labels.boxes.tolist() == [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]
        assert (sample.image == sample.image[..., :1]).all()
        assert sample.image[mask].min() > 80
        assert sample.image[0].max() == sample.image[-1].max() == sample.image[:, 0].max() == 0


def test_printed_digits_depend_on_seed_split_and_index_alone(tmp_path: Path) -> None:
    few = written(world(), request("synthetic", count=5), tmp_path / "few").images()
    more = written(world(), request("synthetic", count=12), tmp_path / "more").images()
    assert (few == more[:5]).all()
    for k, other in enumerate((request("synthetic", seed=4, count=5), request("synthetic", "test", count=5))):
        assert not (written(world(), other, tmp_path / f"{k}").images() == few).all()
    assert (more[0] != more[10]).any(), "two zeros are two prints"


@pytest.mark.parametrize("font", FONTS)
def test_every_font_has_ten_different_digits_of_the_asked_height(font: str) -> None:
    shapes = set()
    for digit in range(10):
        grey, coverage = printed_digit(Print(digit, font, 0.75, (0.0, 0.0), 0.0, 0.0, 200), 64)
        rows = np.flatnonzero((coverage > 60).any(1))
        assert rows[-1] + 1 - rows[0] == pytest.approx(48, abs=2)
        assert (rows[0] + rows[-1] + 1) / 2 == pytest.approx(32, abs=1)
        assert grey.max() == 200
        shapes.add(grey.tobytes())
    assert len(shapes) == 10


def test_a_print_is_shifted_turned_and_thickened() -> None:
    def ink(**changes: Any) -> np.ndarray:
        how = {"shift": (0.0, 0.0), "rotation": 0.0, "stroke": 0.0} | changes
        return printed_digit(Print(1, "DejaVuSans", 0.5, ink=255, **how), 40)[1].astype(float)

    plain = ink()
    assert ink(shift=(0.1, -0.05)) == pytest.approx(np.roll(plain, (-2, 4), (0, 1)), abs=130)
    centre = (np.arange(40)[:, None] * plain).sum() / plain.sum()
    moved = ink(shift=(0.0, 0.1))
    assert (np.arange(40)[:, None] * moved).sum() / moved.sum() - centre == pytest.approx(4, abs=0.1)
    assert ink(stroke=0.02).sum() > 1.2 * plain.sum()
    turned = ink(rotation=90.0)
    assert turned == pytest.approx(np.rot90(plain), abs=130)
    assert np.abs(turned - np.rot90(plain)).mean() < 4


@pytest.mark.parametrize("size", [16, 33])
def test_thin_prints_have_a_mask_too(size: int) -> None:
    made = world()
    for index in range(100):
        _, labels = made._printed(request("synthetic", size=size), index)
        assert labels.foreground is not None and labels.foreground.any()


def test_dealing_is_balanced_disjoint_and_complete() -> None:
    classes = np.array([0] * 10 + [1] * 20 + [2] * 5)
    train, test = (dealt(classes, 1, split, 0.4) for split in ("train", "test"))  # type: ignore[arg-type]
    assert sorted(train + test) == list(range(35))
    assert np.bincount(classes[test]).tolist() == [4, 8, 2]
    assert np.bincount(classes[train[:9]]).tolist() == [3, 3, 3]
    assert sorted(dealt(classes, 1, "test", None)) == list(range(35))
    assert dealt(classes, 1, "train", 0.4) == train
    assert dealt(classes, 2, "train", 0.4) != train


def test_fitting_keeps_a_margin() -> None:
    white = np.full((8, 8), 255, np.uint8)
    out = fitted(white, 40, 0.1)
    assert out.shape == (40, 40)
    assert out[20, 20] == 255 and out[:2].max() == 0 and out[:, -2:].max() == 0
    assert (out > 127).sum() == 32 * 32 - 4, "the four corners are rounded"
    assert fitted(np.full((8, 8, 3), 9, np.uint8), 16, 0.0).tolist() == np.full((16, 16, 3), 9).tolist()


@needs_sklearn
def test_handwriting_of_scikit_learn(tmp_path: Path) -> None:
    """All of it is used once; planning's numbers are those of the data."""
    made = world()
    assert np.bincount(sources.sklearn_digits().classes).tolist() == list(sources.SKLEARN_COUNTS)
    sets = {}
    for split in ("train", "test"):
        wanted = request(split=split, count=0)
        sets[split] = written(made, wanted, tmp_path / split)
        assert made.available(wanted) == len(sets[split])
        assert made.available(request(split=split, count=10**6)) == len(sets[split])
        assert (sets[split].domain, sets[split].kind, sets[split].has) == ("real", "photographs", {"boxes"})
    assert len(sets["train"]) + len(sets["test"]) == 1797
    assert len(sets["test"]) == 719
    assert not contents(sets["train"]) & contents(sets["test"])
    assert made.available(request(count=50)) == 50
    assert made.fingerprint(request()) == ""
    counts = np.bincount([record.classes[0] for record in sets["test"].records])
    assert counts.tolist() == [round(0.4 * count) for count in sources.SKLEARN_COUNTS]


@needs_sklearn
def test_handwriting_is_the_scan_scaled_up(tmp_path: Path) -> None:
    """At ten pixels (eight and a margin of one) nothing is interpolated, so the scans are found in the data."""
    from sklearn.datasets import load_digits

    known = load_digits()
    scans = {
        np.rint(image * 255 / 16).astype(np.uint8).tobytes(): digit
        for image, digit in zip(known.images, known.target, strict=True)
    }
    data = written(world(), request(count=30, size=10), tmp_path)
    for sample in data:
        assert sample.labels.classes is not None
        assert scans[np.ascontiguousarray(sample.image[1:9, 1:9, 0]).tobytes()] == sample.labels.classes[0]
        assert sample.image[0].max() == 0


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    assert "pip install scikit-learn" in str(DigitsWorld.skip())
    assert world().available(request(count=0)) == 1078
    with pytest.raises(UsageError, match="pip install scikit-learn"):
        world().image_set(request(), Context(0, tmp_path))


def test_npz_in_one_part_is_split(tmp_path: Path) -> None:
    made = world(real="npz", real_file=npz(tmp_path / "a.npz"), test_share=1 / 3)
    train = written(made, request(count=0), tmp_path / "train")
    test = written(made, request(split="test", count=0), tmp_path / "test")
    assert (len(train), len(test)) == (20, 10)
    assert sorted(record.classes[0] for record in test.records) == list(range(10))
    assert not contents(train) & contents(test)
    assert made.available(request(count=7)) == 7 and made.available(request(split="test")) == 10


def test_npz_in_two_parts_is_kept(tmp_path: Path) -> None:
    made = world(real="npz", real_file=npz(tmp_path / "a.npz", prefixes=("train_", "test_")))
    train = written(made, request(count=0), tmp_path / "train")
    test = written(made, request(split="test", count=0), tmp_path / "test")
    assert (len(train), len(test)) == (30, 30)
    assert max(image.max() for image in train.images()) < 60 < min(image.max() for image in test.images())


def test_the_fingerprint_is_of_the_contents_not_of_the_path(tmp_path: Path) -> None:
    prints = [world(real="npz", real_file=npz(tmp_path / f"{k}.npz", n)).fingerprint(request())
              for k, n in enumerate((30, 30, 31))]  # fmt: skip
    assert prints[0] == prints[1] != prints[2]


def broken(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_broken_npz_are_named_in_one_line(tmp_path: Path) -> None:
    images, classes = np.zeros((4, 8, 8), np.uint8), np.arange(4)
    text = tmp_path / "text.npz"
    text.write_text("no")
    for file, match in (
        (broken(tmp_path / "a.npz", x=images), "no array 'y'"),
        (broken(tmp_path / "b.npz", x=images.astype(float), y=classes), "not uint8"),
        (broken(tmp_path / "c.npz", x=images, y=classes[:3]), "not 4 integers"),
        (broken(tmp_path / "d.npz", x=images, y=classes + 7), "digits are 0 to 9"),
        (broken(tmp_path / "e.npz", x=np.array([{}]), y=classes), "not a readable"),
        (text, "not a readable"),
        (tmp_path / "none.npz", "not a readable"),
    ):
        with pytest.raises(DataError, match=match) as caught:
            world(real="npz", real_file=file).available(request())
        assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=r"world\.real_file"):
        world(real="npz").available(request())


def idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """A tiny MNIST in the published format: 20 training images, 10 test images."""
    root = tmp_path / "data"
    random = np.random.default_rng(0)
    for part, count in (("train", 20), ("t10k", 10)):
        images = random.integers(0, 256, (count, 28, 28))
        idx(root / "MNIST" / "raw" / f"{part}-images-idx3-ubyte", images)
        idx(root / "MNIST" / "raw" / f"{part}-labels-idx1-ubyte", np.arange(count) % 10)
    return root


def test_mnist_through_torchvision(mnist: Path, tmp_path: Path) -> None:
    real = world(real="mnist", root=mnist)
    assert (real.available(request(count=0)), real.available(request(split="test", count=0))) == (20, 10)
    data = written(real, request(split="test", count=0, size=28), tmp_path / "test")
    raw = (mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()[16:]
    pictures = {raw[k * 784 : (k + 1) * 784]: k for k in range(10)}
    for sample in data:
        assert sample.labels.classes is not None
        assert pictures[np.ascontiguousarray(sample.image[..., 0]).tobytes()] == sample.labels.classes[0]
    source = written(world(synthetic="mnist", root=mnist), request("synthetic", count=0), tmp_path / "source")
    assert (source.domain, source.kind, len(source)) == ("synthetic", "rendered", 20)
    assert source.has == {"boxes", "foreground"}
    assert real.fingerprint(request()) != real.fingerprint(request(split="test"))


def test_missing_sets_are_named(tmp_path: Path) -> None:
    for name in ("mnist", "usps"):
        with pytest.raises(DataError, match=rf"no {name.upper()} .*world\.download = true") as caught:
            world(real=name, root=tmp_path).available(request())
        assert str(tmp_path) in str(caught.value)
    for name in ("mnist", "usps", "mnist-m"):
        with pytest.raises(UsageError, match=r"world\.root"):
            world(real=name).available(request())
    with pytest.raises(DataError, match=r"mnist_m_train_labels\.txt: not readable"):
        world(real="mnist-m", root=tmp_path).available(request())


@pytest.fixture
def mnist_m(tmp_path: Path) -> Path:
    """Ten coloured pictures a part; picture k is red 20 k."""
    for part in ("train", "test"):
        folder = tmp_path / "mnist_m" / f"mnist_m_{part}"
        folder.mkdir(parents=True)
        lines = []
        for k in range(10):
            Image.new("RGB", (32, 32), (20 * k, 5, 200)).save(folder / f"{k:08d}.png")
            lines.append(f"{k:08d}.png {k}\n")
        (tmp_path / "mnist_m" / f"mnist_m_{part}_labels.txt").write_text("".join(lines))
    return tmp_path / "mnist_m"


def test_mnist_m_keeps_its_colours(mnist_m: Path, tmp_path: Path) -> None:
    made = world(real="mnist-m", root=mnist_m)
    before = made.fingerprint(request())
    data = written(made, request(count=0, size=16), tmp_path / "out")
    assert len(data) == 10
    for sample in data:
        assert sample.labels.classes is not None and sample.labels.boxes is not None
        assert (sample.image == (20 * sample.labels.classes[0], 5, 200)).all()
        assert sample.labels.boxes.tolist() == [[0, 0, 16, 16]]
    Image.new("RGB", (32, 32), (1, 2, 3)).save(mnist_m / "mnist_m_train" / "00000004.png")
    assert world(real="mnist-m", root=mnist_m).fingerprint(request()) != before
    labels = mnist_m / "mnist_m_train_labels.txt"
    for bad in ("00000000.png x\n", "../../etc 3\n", "alone\n"):
        labels.write_text(bad)
        with pytest.raises(DataError, match="line 1 is no 'name digit'"):
            world(real="mnist-m", root=mnist_m).available(request())
    labels.write_text("gone.png 3\n")
    with pytest.raises(DataError, match=r"gone\.png: No such file"):
        world(real="mnist-m", root=mnist_m).fingerprint(request())


@pytest.mark.skipif("BENCH_SHARED_DATA" not in os.environ, reason="BENCH_SHARED_DATA names no folder")
def test_shared_usps_and_mnist(tmp_path: Path) -> None:
    shared = Path(os.environ["BENCH_SHARED_DATA"]) / "digits"
    usps = world(real="npz", real_file=shared / "real_usps.npz", margin=0.1)
    assert (usps.available(request(count=0)), usps.available(request(split="test", count=0))) == (7291, 2007)
    mnist = world(real="npz", real_file=shared / "real_mnist_t10k.npz")
    assert mnist.available(request(count=0)) + mnist.available(request(split="test", count=0)) == 10_000
    for name, made in (("usps", usps), ("mnist", mnist)):
        data = written(made, request(count=50), tmp_path / name)
        means = data.images().mean((0, 3))
        assert means[8:16, 8:16].mean() > 3 * means[0].mean(), "ink is in the middle, bright on black"
