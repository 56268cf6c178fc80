"""Images that claim 60000x60000 pixels, unfold, wait, or want another program: refused before memory is taken."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.contracts import Context
from bench.errors import DataError
from bench.formats.layout import open_image_set
from bench.picture_files import open_picture
from bench.samples import read_png
from bench.worlds.handwriting.sources import mnist_m_digits, npz_digits
from refiners.external import External
from tests.hostile import bombs, seeds
from tests.hostile.conftest import Said

Bench = Callable[..., Said]
LIMIT = "3,600 million pixels, at most 100 million are read; shrink it"


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Decoded, one of them has 10.8 GB; a test may take a tenth of a gigabyte."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024


@pytest.mark.parametrize("suffix", bombs.BOMBS)
def test_the_limit_is_stated_and_nothing_decoded(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(bombs.BOMBS[suffix])
    with pytest.raises(ValueError, match=LIMIT):
        open_picture(path)
    with pytest.raises(DataError, match="x\\."):
        read_png(path)


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (12_000, 9000)])
def test_limits_of_any_shape(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="million"):
        open_picture(bombs.png(width, height))


def test_a_large_photograph_is_read(tmp_path: Path) -> None:
    Image.new("L", (10_000, 10_000)).save(tmp_path / "x.png")
    assert open_picture(tmp_path / "x.png").size == (10_000, 10_000)


FOLDERS: list[tuple[str, Callable[[Path], None], str, list[str]]] = [
    ("csv", seeds.csv, "1.png", []), ("coco", seeds.coco, "1.png", []), ("yolo", seeds.yolo, "images/1.png", []),
    ("voc", seeds.voc, "JPEGImages/1.png", []), ("images", seeds.coco, "1.png", []),
    ("masks", seeds.masks, "images/1.png", ["--names", "classes.txt"]),
    ("masks", seeds.masks, "masks/1.png", ["--names", "classes.txt"]),
    ("depth", seeds.depth, "depth/1.png", ["--depth-scale", "1000"]),
    ("bop", seeds.bop, "000001/rgb/000001.png", []), ("bop", seeds.bop, "000001/depth/000001.png", []),
]  # fmt: skip


@pytest.mark.parametrize(("format", "build", "file", "more"), FOLDERS, ids=[f"{f[0]}-{f[2]}" for f in FOLDERS])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_imports_leave_it_out(
    format: str, build: Callable[[Path], None], file: str, more: list[str], suffix: str, tmp_path: Path, bench: Bench
) -> None:
    build(tmp_path / "in")
    (tmp_path / "in" / file).write_bytes(bombs.BOMBS[suffix])
    said = bench("data", "import", "--format", format, tmp_path / "in", tmp_path / "x", "--domain", "real", *more)
    assert said.code == 0 and LIMIT in said.lines[-1] and len(said.lines) <= 2
    assert len(open_image_set(tmp_path / "x")) == len(list((tmp_path / "x" / "images").iterdir())) > 0
    said = bench("data", "verify", tmp_path / "in", "--format", format, *more)
    assert said.code == 2 and LIMIT in said.out


@pytest.mark.parametrize("file", ["images/im1.png", "depth/im1.png", "instances/im1.png", "semantic/im1.png"])
def test_image_sets(file: str, tmp_path: Path, bench: Bench) -> None:
    seeds.layout(tmp_path / "set")
    (tmp_path / "set" / file).write_bytes(bombs.png(grey16=not file.startswith("images")))
    said = bench("data", "verify", tmp_path / "set")
    assert said.code == 2 and LIMIT in said.out
    with pytest.raises(DataError, match=LIMIT):
        open_image_set(tmp_path / "set")[1]
    if not file.startswith("images"):
        return  # a contact sheet looks at boxes and pictures alone
    assert LIMIT in bench("data", "show", tmp_path / "set", "--out", tmp_path / "s.png").err


def test_a_size_that_the_annotations_claim(tmp_path: Path, bench: Bench) -> None:
    seeds.layout(tmp_path / "set")
    data = json.loads((tmp_path / "set" / "annotations.json").read_text())
    for image in data["images"]:
        image.update(width=bombs.SIDE, height=bombs.SIDE)
    (tmp_path / "set" / "annotations.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match=LIMIT):
        open_image_set(tmp_path / "set")


def test_refine_leaves_it_out(tmp_path: Path, refine: Bench) -> None:
    seeds.coco(tmp_path / "in")
    (tmp_path / "in" / "1.png").write_bytes(bombs.png())
    (tmp_path / "in" / "2.png").write_bytes(bombs.tiff())
    said = refine(tmp_path / "in", tmp_path / "out")
    assert said.code == 3 and said.err.count(LIMIT) == 2
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["0.png"]


def test_external_images(tmp_path: Path, bench: Bench) -> None:
    seeds.layout(tmp_path / "set", domain="synthetic")
    images = open_image_set(tmp_path / "set")
    for sample in images:
        seeds.save(tmp_path / "refined" / f"{sample.id}.png", sample.image)
    (tmp_path / "refined" / "im1.png").write_bytes(bombs.png())
    refiner, context = External(External.Config(folder=tmp_path / "refined")), Context(seed=0, directory=tmp_path)
    with pytest.raises(DataError, match=LIMIT):
        refiner.prepare(images, context)
    with pytest.raises(DataError, match=LIMIT):
        refiner.refine([images[1]], context)
    assert LIMIT in bench("data", "verify", tmp_path / "set", "--refined", tmp_path / "refined").out


def test_digits(tmp_path: Path) -> None:
    (tmp_path / "mnist_m_train").mkdir()
    (tmp_path / "mnist_m_train" / "0.png").write_bytes(bombs.png())
    (tmp_path / "mnist_m_train_labels.txt").write_text("0.png 7\n")
    with pytest.raises(DataError, match=LIMIT):
        mnist_m_digits(tmp_path, True).image(0)


def test_an_archive_of_arrays_that_unfolds(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as file:
        head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1500000, 28, 28), }"
        file.write((b"\x93NUMPY\x01\x00v\x00" + head).ljust(128))
        for _ in range(1200):
            file.write(b"\0" * 2**20)
    assert (tmp_path / "d.npz").stat().st_size < 2 * 2**20
    with pytest.raises(DataError, match="over 1024 MiB unpacked"):
        npz_digits(tmp_path / "d.npz", True)


def test_a_comment_that_unfolds() -> None:
    data = bombs.png(16, 12, extra=bombs.text_chunk(200))
    assert len(data) < 300_000
    with pytest.raises(ValueError, match="large"):
        open_picture(data)


@pytest.mark.parametrize("segmentation", [
    {"size": [12, 16], "counts": [10**12]}, {"size": [10**6, 10**6], "counts": [10**12]}, [[0, 0, 1e9, 0, 1e9, 1e9]],
    {"size": [12, 16], "counts": "P" * 100_000}, {"size": [12, 16], "counts": [0] * 100_000 + [192]},
])  # fmt: skip
def test_segmentations(segmentation: object, tmp_path: Path, bench: Bench) -> None:
    seeds.coco(tmp_path / "in")
    data = json.loads((tmp_path / "in" / "annotations.json").read_text())
    data["annotations"][1]["segmentation"] = segmentation
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(data))
    assert bench("data", "import", "--format", "coco", tmp_path / "in", tmp_path / "x", "--domain", "real").code == 0


@pytest.mark.parametrize("name", ["1.png", "1.jpg"])
def test_postscript_starts_nothing(name: str, tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow hands EPS to Ghostscript, whatever the file is called."""
    (tmp_path / "bin").mkdir()
    program, trace = tmp_path / "bin" / "gs", tmp_path / "started"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    seeds.coco(tmp_path / "in")
    (tmp_path / "in" / "1.png").unlink()
    (tmp_path / "in" / name).write_bytes(bombs.EPS)
    said = bench("data", "import", "--format", "images", tmp_path / "in", tmp_path / "x", "--domain", "real")
    assert "not an image" in said.err and not trace.exists()
    with pytest.raises(OSError, match=r"."), Image.open(tmp_path / "in" / name) as image:
        image.load()
    assert trace.exists(), "the attack works where the formats are not limited"


@pytest.mark.parametrize(("format", "build", "file", "more"), FOLDERS, ids=[f"{f[0]}-{f[2]}" for f in FOLDERS])
def test_a_pipe_is_not_waited_for(
    format: str, build: Callable[[Path], None], file: str, more: list[str], tmp_path: Path, bench: Bench
) -> None:
    build(tmp_path / "in")
    (tmp_path / "in" / file).unlink()
    os.mkfifo(tmp_path / "in" / file)
    said = bench("data", "import", "--format", format, tmp_path / "in", tmp_path / "x", "--domain", "real", *more)
    assert said.code == 0 and not (tmp_path / "x" / "images" / "1.png").is_fifo()


def test_a_pipe_in_an_image_set(tmp_path: Path, bench: Bench) -> None:
    seeds.layout(tmp_path / "set")
    (tmp_path / "set" / "depth" / "im1.png").unlink()
    os.mkfifo(tmp_path / "set" / "depth" / "im1.png")
    assert bench("data", "verify", tmp_path / "set").code == 2
    with pytest.raises(DataError, match="not a regular file"):
        open_image_set(tmp_path / "set")[1]
    for name in ("annotations.json", "manifest.json"):
        (tmp_path / "set" / name).unlink()
        os.mkfifo(tmp_path / "set" / name)
        with pytest.raises(DataError, match="not a regular file"):
            open_image_set(tmp_path / "set")


def test_what_a_decoder_raises_is_one_kind_of_error() -> None:
    rng = np.random.default_rng(0)
    for data in (*bombs.BOMBS.values(), bombs.EPS, b"", b"\x89PNG\r\n\x1a\n", rng.bytes(500)):
        for cut in range(min(len(data), 80)):
            with pytest.raises(ValueError, match=r"\w"):
                open_picture(data[:cut])
