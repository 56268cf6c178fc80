"""Pickles that write a file when they are read, in every place where arrays or weights are loaded: none is run."""

from __future__ import annotations

import importlib.util
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.contracts import Context
from bench.errors import BenchError, DataError
from bench.formats.layout import open_image_set
from bench.resampling import read_resamples
from bench.runs import made
from bench.stages import load_state
from bench.store import Store
from bench.training import _resume
from bench.worlds.handwriting.sources import npz_digits, torchvision_digits
from tests.hostile import seeds
from tests.hostile.conftest import Said


class Attack:
    """Unpickled, it makes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.trace,)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "executed"


def plain(trace: Path) -> bytes:
    return pickle.dumps(Attack(trace), 2)


def as_torch(trace: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"step": 3, "parts": {"layer": Attack(trace)}}, buffer)
    return buffer.getvalue()


def as_old_torch(trace: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save(Attack(trace), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def as_npy(trace: Path) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Attack(trace)], object), allow_pickle=True)
    return buffer.getvalue()


def as_npz(trace: Path) -> bytes:
    buffer = io.BytesIO()
    attack = np.array([Attack(trace)], object)
    np.savez(buffer, x=attack, y=attack, predictions=attack, level=attack, **{"number of groups": attack})
    return buffer.getvalue()


def as_zip(trace: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("data.pkl", "archive/data.pkl", "x.npy", "y.npy"):
            archive.writestr(name, plain(trace))
    return buffer.getvalue()


ATTACKS = [plain, as_torch, as_old_torch, as_npy, as_npz, as_zip]
each = pytest.mark.parametrize("attack", ATTACKS, ids=[attack.__name__ for attack in ATTACKS])


@pytest.mark.filterwarnings("ignore")
def test_the_attacks_work_where_nobody_minds(trace: Path) -> None:
    for attack in (plain, as_torch, as_old_torch, as_npy, as_npz):
        data = io.BytesIO(attack(trace))
        if attack is plain:
            pickle.load(data)
        elif attack in (as_npy, as_npz):
            loaded = np.load(data, allow_pickle=True)
            if attack is as_npz:
                assert loaded["x"] is not None
        else:
            torch.load(data, weights_only=False)
        assert trace.exists(), attack.__name__
        trace.unlink()


@each
def test_checkpoints(attack: Callable[[Path], bytes], tmp_path: Path, trace: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(attack(trace))
    layer = torch.nn.Linear(2, 1)
    before = layer.weight.detach().clone()
    context = Context(seed=0, directory=tmp_path, checkpoint=path)
    assert _resume(context, {"layer": layer}) == 0
    assert not trace.exists() and not path.exists() and torch.equal(before, layer.weight)


@each
def test_weights(attack: Callable[[Path], bytes], tmp_path: Path, trace: Path, refine: Callable[..., Said]) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(attack(trace))
    with pytest.raises(DataError, match="no weights as safetensors"):
        load_state(path)
    seeds.fit(tmp_path / "fit")
    (tmp_path / "fit" / "weights.safetensors").write_bytes(attack(trace))
    seeds.coco(tmp_path / "in")
    said = refine(tmp_path / "in", tmp_path / "out")
    assert said.code == 2 and len(said.lines) == 1 and not trace.exists()


@each
def test_digits(attack: Callable[[Path], bytes], tmp_path: Path, trace: Path) -> None:
    (tmp_path / "digits.npz").write_bytes(attack(trace))
    with pytest.raises(DataError, match=r"digits\.npz"):
        npz_digits(tmp_path / "digits.npz", True)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (tmp_path / "MNIST" / "processed").mkdir()
    for name in ("training.pt", "test.pt"):
        (tmp_path / "MNIST" / "processed" / name).write_bytes(attack(trace))
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"):
        (raw / name).write_bytes(attack(trace))
    (tmp_path / "usps.bz2").write_bytes(attack(trace))
    for name in ("MNIST", "USPS"):
        with pytest.raises(BenchError):
            torchvision_digits(name, tmp_path, True, False)
    assert not trace.exists()


@each
def test_predictions_and_resamples(attack: Callable[[Path], bytes], tmp_path: Path, trace: Path) -> None:
    from tasks.pose.task import Pose

    for name in ("resamples.npz", "predictions.npz"):
        (tmp_path / name).write_bytes(attack(trace))
    assert read_resamples(tmp_path) == (0, {})
    seeds.layout(tmp_path / "set")
    with pytest.raises(Exception, match=r"\w"):
        Pose(Pose.Config()).arrays(tmp_path, open_image_set(tmp_path / "set"))
    assert not trace.exists()


def test_predictions_that_are_drawn(trace: Path) -> None:
    """The pictures of a task load with numpy's default, which is to refuse pickles."""
    from inspect import signature

    assert signature(np.load).parameters["allow_pickle"].default is False
    with pytest.raises(ValueError, match="pickle"):
        np.load(io.BytesIO(as_npz(trace)))["x"]
    assert not trace.exists()


@each
def test_matlab_files(
    attack: Callable[[Path], bytes], tmp_path: Path, trace: Path, bench: Callable[..., Said]
) -> None:
    (tmp_path / "nyu_depth_v2_labeled.mat").write_bytes(attack(trace))
    said = bench("data", "import", "--format", "nyuv2", tmp_path, tmp_path / "x")
    assert said.code == 2 and "not an HDF5 file" in said.err
    seeds.nyuv2(tmp_path)
    (tmp_path / "splits.mat").write_bytes(attack(trace))
    said = bench("data", "import", "--format", "nyuv2", tmp_path, tmp_path / "x", "--splits", "splits.mat",
                 "--split", "train")  # fmt: skip
    assert said.code == 2 and "no trainNdxs in it" in said.err and len(said.lines) == 1 and not trace.exists()


def test_an_artifact_names_plugins_and_no_code(tmp_path: Path, trace: Path, bench: Callable[..., Said]) -> None:
    """The name of a plug-in in somebody else's artifact is looked up among those known here, and imports nothing."""
    (tmp_path / "evil.py").write_text(f"open({str(trace)!r}, 'w')\nclass E:\n    name = 'evil'\n    version = 1\n")
    seeds.coco(tmp_path / "in")
    for name in ("evil", "evil.E", str(tmp_path / "evil.py"), "../evil", "os", "os.system"):
        seeds.fit(tmp_path / "fit", name)
        said = bench("refine", "--refiner", tmp_path / "fit", "--input", tmp_path / "in", "--output", tmp_path / "o")
        assert said.code == 2 and not trace.exists()


def test_yaml_makes_no_objects(tmp_path: Path, trace: Path, bench: Callable[..., Said]) -> None:
    seeds.yolo(tmp_path / "in")
    for text in (f"!!python/object/apply:os.system ['touch {trace}']", f"!!python/name:os.system\nx: {trace}"):
        (tmp_path / "in" / "data.yaml").write_text(f"names: {text}\n")
        said = bench("data", "import", "--format", "yolo", tmp_path / "in", tmp_path / "x", "--domain", "real")
        assert said.code == 2 and len(said.lines) == 1 and not trace.exists()


def test_published_yolo_weights(tmp_path: Path, trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("ultralytics is not installed")
    from tasks.detection.yolov3u import YOLOv3u, _ultralytics

    (tmp_path / "checkpoints").mkdir()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    model = YOLOv3u(YOLOv3u.Config(width=0.125, depth=0.1, pretrained=True))
    file = tmp_path / "checkpoints" / "yolov3u.pt"
    for attack in (as_torch, as_old_torch, plain):
        file.write_bytes(attack(trace))
        with pytest.raises(BenchError, match="pretrained"):
            model.build(2, (64, 64))
        assert not trace.exists()
    assert Image.open.__module__ == "PIL.Image"  # that of ultralytics has packages installed for what it cannot open
    library = _ultralytics()
    description = library["yaml_model_load"]("yolov3.yaml") | {"width_multiple": 0.125, "depth_multiple": 0.1}
    network = library["DetectionModel"](description, nc=2, verbose=False).half()
    torch.save({"model": network, "ema": None, "train_args": {}, "epoch": -1}, file)
    built, wanted = model.build(2, (64, 64)).state_dict(), network.float().state_dict()
    assert all(torch.equal(built[name], wanted[name]) for name in list(wanted)[:20])


def test_runs_of_the_store(tmp_path: Path, trace: Path) -> None:
    seeds.run_of_store(tmp_path)
    key = "ab" * 32
    path = Store(tmp_path / "store").path(key) / "artifact.json"
    path.write_bytes(plain(trace))
    with pytest.raises(BenchError):
        made(tmp_path, Store(tmp_path / "store"))
    (tmp_path / "keys.json").write_bytes(plain(trace))
    with pytest.raises(BenchError):
        made(tmp_path, Store(tmp_path / "store"))
    assert not trace.exists() and json.dumps(key)
