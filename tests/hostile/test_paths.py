"""Names and links that lead out of the folder: nothing outside is read, written or copied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.contracts import Context
from bench.errors import BenchError, DataError, StoreError, UsageError
from bench.formats.layout import open_image_set
from bench.runs import made
from bench.store import Store
from bench.suite import load_suite
from bench.worlds.bop_files import read_instances
from refiners.external import External
from tests.hostile import seeds
from tests.hostile.conftest import Said

Bench = Callable[..., Said]
OUTSIDE = 77
"""The colour of a picture that must never be seen again."""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the data with a picture, labels and a text that would be an error message."""
    seeds.save(tmp_path / "outside" / "secret.png", np.full((12, 16, 3), OUTSIDE, np.uint8))
    seeds.save(tmp_path / "outside" / "grey.png", np.full((12, 16), 1, np.uint8))
    (tmp_path / "outside" / "passwd.txt").write_text("root:x:0:0\n")
    return tmp_path / "outside"


def leaked(folder: Path) -> bool:
    """Whether a copy of the outside picture, or of the text, is anywhere in a folder."""
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            return True
        if path.is_file() and (b"root:x" in path.read_bytes() or _shows_secret(path)):
            return True
    return False


def _shows_secret(path: Path) -> bool:
    from PIL import Image

    if path.suffix not in {".png", ".jpg"}:
        return False
    with Image.open(path) as image:
        return bool((np.asarray(image.convert("RGB")) == OUTSIDE).all())


NAMES = [
    "../outside/secret.png", "..\\outside\\secret.png", "a/../../outside/secret.png", "{abs}/secret.png", "/etc/passwd",
    "C:\\Windows\\x.png", "c:x.png", "\\\\server\\share\\x.png", "//server/x.png", "http://127.0.0.1:9/x.png",
    "file:///etc/passwd", "1.png\0.jpg", "\ud800.png", "", ".", "a" * 300 + ".png", "/dev/zero", "~/x.png",
    "$HOME/x.png", "%2e%2e/outside/secret.png", "....//outside/secret.png", "./../outside/secret.png",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_coco_file_names(name: str, tmp_path: Path, outside: Path, bench: Bench) -> None:
    seeds.coco(tmp_path / "in")
    data = json.loads((tmp_path / "in" / "annotations.json").read_text())
    data["images"][1]["file_name"] = name.replace("{abs}", str(outside))
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(data))
    said = bench("data", "import", "--format", "coco", tmp_path / "in", tmp_path / "x", "--domain", "real")
    assert said.code == 0 and len(said.lines) <= 2 and "image left out" in said.lines[0]
    assert len(open_image_set(tmp_path / "x")) == 2 and not leaked(tmp_path / "x")
    assert bench("data", "verify", tmp_path / "in", "--format", "coco").code == 2


@pytest.mark.parametrize("name", NAMES)
def test_names_in_an_image_set(name: str, tmp_path: Path, outside: Path, bench: Bench) -> None:
    """``annotations.json`` and ``manifest.json`` of a set that somebody else made."""
    seeds.layout(tmp_path / "set")
    name = name.replace("{abs}", str(outside))
    for file in ("annotations.json", "manifest.json"):
        data = json.loads((tmp_path / "set" / file).read_text())
        if file == "annotations.json":
            data["images"][1]["file_name"] = name
        else:
            data["files"][name] = "0" * 64
        (tmp_path / "set" / file).write_text(json.dumps(data))
    said = bench("data", "verify", tmp_path / "set")
    assert said.code == 2 and "root:" not in said.out
    said = bench("data", "import", "--format", "layout", tmp_path / "set", tmp_path / "x")
    assert said.code == 2 or not leaked(tmp_path / "x")
    said = bench("data", "export", tmp_path / "set", tmp_path / "y", "--format", "coco")
    assert said.code == 2 or not leaked(tmp_path / "y")


@pytest.mark.parametrize("name", NAMES[:8])
def test_names_in_other_label_files(name: str, tmp_path: Path, outside: Path, bench: Bench) -> None:
    name = name.replace("{abs}", str(outside))
    seeds.csv(tmp_path / "csv")
    (tmp_path / "csv" / "files.csv").unlink()
    with (tmp_path / "csv" / "boxes.csv").open("a") as file:
        file.write(f"{name},jar,2,2,9,8,16,12\n")
    seeds.voc(tmp_path / "voc")
    voc = tmp_path / "voc" / "Annotations" / "1.xml"
    voc.write_text(voc.read_text().replace("<filename>1.png", f"<filename>{name}"))
    with (tmp_path / "voc" / "ImageSets" / "Main" / "train.txt").open("a") as file:
        file.write("../../outside/passwd\n")
    seeds.kitti(tmp_path / "kitti")
    (tmp_path / "kitti" / "list.txt").write_text(f"{name}\n")
    for format, more in (("csv", []), ("voc", ["--split", "train"]), ("kitti", ["--list", "list.txt"])):
        said = bench("data", "import", "--format", format, tmp_path / format, tmp_path / f"x{format}", "--domain",
                     "real", *more)  # fmt: skip
        assert said.code == (2 if format in ("kitti", "voc") else 0) and "root:" not in said.err
        assert not leaked(tmp_path / f"x{format}")


LINKS: list[tuple[str, Callable[[Path], None], str, str, list[str]]] = [
    ("csv", seeds.csv, "1.png", "secret.png", []), ("csv", seeds.csv, "files.csv", "passwd.txt", []),
    ("coco", seeds.coco, "1.png", "secret.png", []), ("coco", seeds.coco, "annotations.json", "passwd.txt", []),
    ("yolo", seeds.yolo, "images/1.png", "secret.png", []), ("yolo", seeds.yolo, "labels/1.txt", "passwd.txt", []),
    ("yolo", seeds.yolo, "data.yaml", "passwd.txt", []), ("yolo", seeds.yolo, "images", "", []),
    ("yolo", seeds.yolo, "labels", "", []), ("yolo", seeds.yolo, "images/more", "", []),
    ("voc", seeds.voc, "JPEGImages/1.png", "secret.png", []), ("voc", seeds.voc, "Annotations/1.xml", "passwd.txt", []),
    ("voc", seeds.voc, "JPEGImages", "", []), ("images", seeds.coco, "1.png", "secret.png", []),
    ("images", seeds.coco, "more", "", []), ("imagefolder", seeds.yolo, "images/1.png", "secret.png", []),
    ("imagefolder", seeds.yolo, "labels", "", []),
    ("masks", seeds.masks, "images/1.png", "secret.png", ["--names", "classes.txt"]),
    ("masks", seeds.masks, "masks/1.png", "grey.png", ["--names", "classes.txt"]),
    ("masks", seeds.masks, "classes.txt", "passwd.txt", ["--names", "classes.txt"]),
    ("masks", seeds.masks, "masks", "", ["--names", "classes.txt"]),
    ("depth", seeds.depth, "depth/1.png", "grey.png", ["--depth-scale", "1000"]),
    ("bop", seeds.bop, "000001/rgb/000001.png", "secret.png", []), ("bop", seeds.bop, "000001", "", []),
    ("bop", seeds.bop, "000001/scene_gt.json", "passwd.txt", []),
    ("kitti", seeds.kitti, "2011_09_26/calib_cam_to_cam.txt", "passwd.txt", []),
    ("nyuv2", seeds.nyuv2, "nyu_depth_v2_labeled.mat", "passwd.txt", []),
    ("layout", seeds.layout, "images/im1.png", "secret.png", []), ("layout", seeds.layout, "depth", "", []),
    ("layout", seeds.layout, "manifest.json", "passwd.txt", []),
]  # fmt: skip


def link(root: Path, file: str, target: Path) -> None:
    path = root / file
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("format", "build", "file", "target", "more"), LINKS, ids=[f"{row[0]}-{row[2]}" for row in LINKS]
)
def test_links_out_of_the_folder(
    format: str, build: Callable[[Path], None], file: str, target: str, more: list[str], tmp_path: Path, outside: Path,
    bench: Bench,
) -> None:
    build(tmp_path / "in")
    link(tmp_path / "in", file, outside / target)
    said = bench("data", "import", "--format", format, tmp_path / "in", tmp_path / "x", "--domain", "real", *more)
    assert "link" in said.err and "leads out" in said.err and "root:" not in said.err + said.out
    assert said.code in (0, 2) and len(said.err.replace("note: ", "").splitlines()) <= 2 and not leaked(tmp_path / "x")
    assert said.code == 0 or not (tmp_path / "x").exists()
    said = bench("data", "verify", tmp_path / "in", "--format", format, *more)
    assert said.code == 2 and "leads out" in said.out and "root:" not in said.out


def test_links_of_ones_own_are_followed_when_asked(tmp_path: Path, outside: Path, bench: Bench) -> None:
    seeds.yolo(tmp_path / "in")
    link(tmp_path / "in", "images/1.png", outside / "secret.png")
    (tmp_path / "in" / "again.txt").symlink_to(tmp_path / "in" / "labels" / "0.txt")
    arguments = ["data", "import", "--format", "yolo", tmp_path / "in", tmp_path / "x", "--domain", "real"]
    assert bench(*arguments, "--follow-links").code == 0
    assert len(open_image_set(tmp_path / "x")) == 3 and leaked(tmp_path / "x")


def test_the_folder_itself_may_be_a_link_and_have_links_within(tmp_path: Path, bench: Bench) -> None:
    seeds.coco(tmp_path / "in")
    shutil.move(tmp_path / "in" / "1.png", tmp_path / "in" / "elsewhere.png")
    (tmp_path / "in" / "1.png").symlink_to("elsewhere.png")
    (tmp_path / "alias").symlink_to(tmp_path / "in")
    said = bench("data", "import", "--format", "coco", tmp_path / "alias", tmp_path / "x", "--domain", "real")
    assert said.code == 0 and not said.err and len(open_image_set(tmp_path / "x")) == 3


def test_links_in_circles(tmp_path: Path, bench: Bench) -> None:
    seeds.coco(tmp_path / "in")
    (tmp_path / "in" / "round").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self.png").symlink_to("self.png")
    assert bench("data", "import", "--format", "images", tmp_path / "in", tmp_path / "x", "--domain", "real").code == 0
    assert len(open_image_set(tmp_path / "x")) == 3


def test_refine_follows_no_link_out(tmp_path: Path, outside: Path, refine: Bench) -> None:
    seeds.coco(tmp_path / "in")
    link(tmp_path / "in", "1.png", outside / "secret.png")
    (tmp_path / "in" / "notes.txt").symlink_to(outside / "passwd.txt")
    (tmp_path / "in" / "more").symlink_to(outside)
    said = refine(tmp_path / "in", tmp_path / "out")
    assert said.code == 3 and "1.png: a link that leads out" in said.err and not leaked(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.name[0] != ".") == [
        "0.png", "2.png", "annotations.json", "data-card.md",
    ]  # fmt: skip


def test_refine_of_a_set_with_a_link(tmp_path: Path, outside: Path, refine: Bench) -> None:
    seeds.layout(tmp_path / "set")
    link(tmp_path / "set", "images/im1.png", outside / "secret.png")
    said = refine(tmp_path / "set", tmp_path / "out")
    assert said.code == 2 and "leads out" in said.err and not leaked(tmp_path / "out")


def test_refine_writes_through_no_link(tmp_path: Path, outside: Path, refine: Bench) -> None:
    """A link in the output that waits for its picture: the link is replaced, what it points to stays."""
    seeds.coco(tmp_path / "in")
    assert refine(tmp_path / "in", tmp_path / "out").code == 0
    before = (outside / "secret.png").read_bytes()
    link(tmp_path / "out", "1.png", outside / "secret.png")
    (tmp_path / "in" / "1.png").write_bytes((tmp_path / "in" / "2.png").read_bytes())
    refine(tmp_path / "in", tmp_path / "out")
    assert (outside / "secret.png").read_bytes() == before


def test_external_images_that_are_links(tmp_path: Path, outside: Path, bench: Bench) -> None:
    seeds.layout(tmp_path / "set", domain="synthetic")
    images = open_image_set(tmp_path / "set")
    for sample in images:
        seeds.save(tmp_path / "refined" / f"{sample.id}.png", sample.image)
    link(tmp_path / "refined", "im1.png", outside / "secret.png")
    refiner, context = External(External.Config(folder=tmp_path / "refined")), Context(seed=0, directory=tmp_path)
    for attempt in (
        lambda: refiner.prepare(images, context), lambda: refiner.refine(list(images), context), refiner.fingerprint,
    ):  # fmt: skip
        with pytest.raises(DataError, match=r"im1.png: a link that leads out"):
            attempt()
    said = bench("data", "verify", tmp_path / "set", "--refined", tmp_path / "refined")
    assert said.code == 2 and "leads out" in said.err


def test_a_bop_world_follows_no_link_out(tmp_path: Path, outside: Path) -> None:
    seeds.bop(tmp_path / "test")
    link(tmp_path / "test", "000001/depth/000001.png", outside / "grey.png")
    with pytest.raises(DataError, match="leads out"):
        read_instances([tmp_path / "test"])


def test_hdf5_takes_nothing_from_other_files(tmp_path: Path, outside: Path, bench: Bench) -> None:
    import h5py

    for attack in ("link", "raw", "virtual", "soft"):
        root = tmp_path / attack
        seeds.nyuv2(root)
        with h5py.File(outside / f"{attack}.h5", "w") as file:
            file["images"] = np.full((2, 3, 16, 12), OUTSIDE, np.uint8)
        with h5py.File(root / "nyu_depth_v2_labeled.mat", "r+") as file:
            del file["images"]
            if attack == "link":
                file["images"] = h5py.ExternalLink(str(outside / "link.h5"), "images")
            elif attack == "raw":
                size, path = 2 * 3 * 16 * 12, str(outside / "secret.png")
                file.create_dataset("images", (2, 3, 16, 12), np.uint8, external=[(path, 0, size)])
            elif attack == "virtual":
                layout = h5py.VirtualLayout((2, 3, 16, 12), np.uint8)
                layout[:] = h5py.VirtualSource(str(outside / "virtual.h5"), "images", (2, 3, 16, 12))
                file.create_virtual_dataset("images", layout)
            else:
                file["images"] = h5py.SoftLink("/depths")
        said = bench("data", "import", "--format", "nyuv2", root, tmp_path / f"x{attack}")
        assert said.code == 2 and "lies in another file" in said.err and not leaked(tmp_path / f"x{attack}")


@pytest.mark.parametrize("key", ["../../outside", "/etc", "..", "a/b", "", "\0", "x" * 300, 7, None, ["a"], {"a": 1}])
def test_keys_of_a_run_name_nothing_outside_the_store(key: object, tmp_path: Path, bench: Bench) -> None:
    seeds.fit(tmp_path / "outside")
    (tmp_path / "keys.json").write_text(json.dumps([key]))
    with pytest.raises(UsageError, match="holds nothing of the run"):
        made(tmp_path, Store(tmp_path / "store"))
    said = bench("refine", "--refiner", tmp_path, "--input", tmp_path, "--output", tmp_path / "o")
    assert said.code == 2 and len(said.lines) == 1
    assert bench("gc", "--runs", tmp_path, "--store", tmp_path / "store", "--dry-run").code in (0, 2)


def test_files_of_an_artifact_lie_in_it(tmp_path: Path) -> None:
    seeds.run_of_store(tmp_path)
    store, key = Store(tmp_path / "store"), "ab" * 32
    meta = json.loads((store.path(key) / "artifact.json").read_text())
    (tmp_path / "secret").write_text("x")
    (store.path(key) / "artifact.json").write_text(json.dumps(meta | {"files": {"../../../../secret": "0"}}))
    assert "missing" in str(store.verify(key))
    (store.path(key) / "artifact.json").write_text(json.dumps(meta | {"files": 3}))
    with pytest.raises(StoreError, match="no table"):
        store.meta(key)


@pytest.mark.parametrize(("old", "new"), [
    ('name = "toy"', 'name = "../../outside/x"'), ('name = "toy"', 'name = "/tmp/x"'), ('name = "toy"', 'name = ""'),
    ('name = "toy"', 'name = ".ssh"'), ('name = "toy"', 'name = "a\\u0000b"'), ('name = "toy"', 'name = "a\\nb"'),
    ("[profiles.smoke]", '[profiles."../../x"]'), ("[variants.other]", '[variants."../x"]'),
    ('name = "toy"', 'name = "..\\\\x"'), ('name = "toy"', f'name = "{"x" * 200}"'),
])  # fmt: skip
def test_names_of_a_suite_become_no_path(old: str, new: str, tmp_path: Path, bench: Bench) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(seeds.SUITE.replace(old, new, 1))
    with pytest.raises(UsageError, match="no name of a folder"):
        load_suite(str(path))
    said = bench("plan", "--suite", path)
    assert said.code == 2 and len(said.lines) == 1


def test_export_copies_no_link(tmp_path: Path, outside: Path, bench: Bench) -> None:
    seeds.layout(tmp_path / "set")
    link(tmp_path / "set", "semantic/im1.png", outside / "passwd.txt")
    for format in ("coco", "masks"):
        assert bench("data", "export", tmp_path / "set", tmp_path / format, "--format", format).code == 2
        assert not (tmp_path / format).exists()
    with pytest.raises(BenchError, match="leads out"):
        open_image_set(tmp_path / "set")
