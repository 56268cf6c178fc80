"""Every shipped set as tiny archives with its authors' folders: fetched, unpacked, read by the commands it names."""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.contracts import SplitRequest
from bench.describe import construct
from bench.downloads.catalogue import PublicSet, known_sets
from bench.downloads.download import Policy
from bench.downloads.fetch import fetch
from bench.formats.layout import open_image_set
from bench.worlds.bop import Bop
from bench.worlds.digits import DigitsWorld
from tests.downloads.archives import packed_zip
from tests.downloads.loopback import Loopback
from tests.downloads.tiny import ARCHIVED, published
from tests.worlds.bop_folder import write_data_set

SETS = known_sets()
IMPORTED = [name for name in ARCHIVED if name not in ("mnist-m", "cityscapes")]


def served(name: str, server: Loopback, files: dict[str, bytes]) -> PublicSet:
    """The set as shipped, from the loopback server and without the digests and sizes of the true files."""
    chosen = SETS[name]
    assert {file.name for file in chosen.files} >= set(files)
    server.files |= {f"/{name}/{file}": data for file, data in files.items()}
    downloads = [
        file.model_copy(update={
            "urls": (f"{server.url}/{name}/{file.name}",), "bytes": None, "sha256": None, "md5": None,
        })
        for file in chosen.files if file.name in files
    ]  # fmt: skip
    return chosen.model_copy(update={"files": tuple(downloads), "mirrors": ()})


def fetched(name: str, server: Loopback, files: dict[str, bytes], root: Path) -> None:
    chosen, lines = served(name, server, files), Lines()
    assert fetch(chosen, chosen.files, root, policy=Policy(), tell=lines.append) == len(files)
    assert fetch(chosen, chosen.files, root, policy=Policy(), tell=lines.append) == 0
    assert len(lines) == len(files) and all("nobody published a digest" in line for line in lines)
    assert not [path for path in root.rglob("*") if path.suffix in (".zip", ".tar", ".part", ".gz")]


class Lines(list[str]):
    """What was told."""


def reads(name: str, root: str) -> list[int]:
    """Run the set's commands; how many images each made."""
    counts = []
    for command in SETS[name].then:
        words = shlex.split(command.replace("{root}", root), comments=True)
        assert main(words) == 0, command
        counts.append(len(open_image_set(Path(words[3]))))
    return counts


@pytest.mark.parametrize("name", IMPORTED)
def test_from_archives_to_an_image_set(
    name: str, tmp_path: Path, server: Loopback, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fetched(name, server, published(name, tmp_path), Path("here"))
    assert reads(name, "here") == {"gta5": [10], "camvid-segnet": [1, 1], "groceries-real": [1, 1]}.get(name, [1])
    assert "no problems" in capsys.readouterr().out


def test_cityscapes_from_archives_that_a_person_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/public/cityscapes").mkdir(parents=True)
    for file, data in published("cityscapes", tmp_path).items():
        Path("data/public/cityscapes", file).write_bytes(data)
    assert main(["data", "fetch", "cityscapes"]) == 0
    assert reads("cityscapes", "data/public/cityscapes") == [1, 1]


def request(domain: str, split: str = "train") -> SplitRequest:
    return SplitRequest(domain, split, 0, 28, 3)  # type: ignore[arg-type]


def digits(root: Path, **config: str) -> DigitsWorld:
    made = construct("world", "digits", {"root": str(root), **config})
    assert isinstance(made, DigitsWorld)
    return made


def test_the_three_sets_of_digits_share_a_folder_that_the_world_reads(tmp_path: Path, server: Loopback) -> None:
    root = tmp_path / "digits"
    for name in ("mnist", "usps", "mnist-m"):
        chosen = served(name, server, published(name, tmp_path))
        assert fetch(chosen, chosen.files, root, policy=Policy(), tell=Lines().append) == len(chosen.files)
    pair = digits(root, synthetic="mnist", real="usps")
    assert pair.available(request("synthetic")) == 20 and pair.available(request("real", "test")) == 10
    assert digits(root, real="mnist").available(request("real", "test")) == 10
    assert digits(root, synthetic="mnist", real="mnist-m").available(request("real")) == 10


def test_lm_from_archives_to_the_world(tmp_path: Path, server: Loopback) -> None:
    made = write_data_set(tmp_path / "made")
    files: dict[str, dict[str, bytes]] = {"lm_test_all.zip": {}, "lm_train_pbr.zip": {}}
    for path in sorted(made.rglob("*")):
        part = path.relative_to(made).parts[0]
        if path.is_file() and part in ("test", "train_pbr"):
            archive = "lm_test_all.zip" if part == "test" else "lm_train_pbr.zip"
            files[archive][str(path.relative_to(made))] = path.read_bytes()
    data = {name: packed_zip(tmp_path / name, members).read_bytes() for name, members in files.items()}
    fetched("lm", server, data, tmp_path / "lm")
    world = construct("world", "bop", {"root": str(tmp_path / "lm"), "objects": [1, 5]})
    assert isinstance(world, Bop)
    assert world.available(request("synthetic")) > 0 and world.available(request("real", "test")) > 0


@pytest.mark.skipif(importlib.util.find_spec("h5py") is None, reason="h5py is not installed")
def test_nyuv2_from_its_files_to_image_sets(
    tmp_path: Path, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    import h5py
    import numpy as np
    from scipy.io import savemat

    monkeypatch.chdir(tmp_path)
    with h5py.File("made.mat", "w") as file:
        file["images"] = np.random.default_rng(0).integers(0, 255, (3, 3, 8, 6), np.uint8)
        file["depths"] = np.full((3, 8, 6), 2.5, np.float32)
    savemat("splits.mat", {"trainNdxs": np.array([[1], [2]]), "testNdxs": np.array([[3]])})
    files = {"nyu_depth_v2_labeled.mat": Path("made.mat").read_bytes(), "splits.mat": Path("splits.mat").read_bytes()}
    fetched("nyuv2", server, files, Path("here"))
    assert reads("nyuv2", "here") == [1, 2]


def test_every_set_goes_the_whole_way() -> None:
    apart: Sequence[str] = ("mnist", "usps", "lm", "nyuv2")
    assert {*ARCHIVED, *apart} == set(SETS)
