"""What needs a CUDA device: models learn on it as on a CPU, in both precisions, resume, and say when it is full."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench import plugins
from bench.contracts import Context, Model, Progress, Task
from bench.describe import construct
from bench.engines.execution import _one_line
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import ImageSet, Labels

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    # What libraries warn of on a device is not ours to mend (cuDNN plans, TF32 hints).
    pytest.mark.filterwarnings("default"),
]
MODELS = sorted(name for name in plugins.names("model") if not name.startswith(("toy-", "mock-")))
SIDE = 64
# What a CPU does beside it in a second; the layers are those of the full size.
SMALL: dict[str, dict[str, Any]] = {
    "deeplab-v2": {"layers": 18, "width": 0.25}, "pvanet": {"width": 0.375}, "ssd": {"width": 24},
    "yolov3": {"width": 0.25, "depth": 0.34}, "yolov3u": {"width": 0.25, "depth": 0.1}, "t2net-unet": {"width": 8},
}  # fmt: skip


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """Sixteen images with every kind of label: a bright box on noise tells class, depth, pose and free distance."""
    random = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("labelled")
    writer = ImageSetWriter(
        root, domain="synthetic", kind="rendered", class_names=("brick", "leaf"),
        labels=("boxes", "depth", "semantic", "vectors"),
    )  # fmt: skip
    for index in range(16):
        cls, x = index % 2, int(random.integers(4, 30))
        image = random.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
        image[20:44, x : x + 24, cls] = 230
        semantic = np.zeros((SIDE, SIDE), np.uint8)
        semantic[20:44, x : x + 24] = 1
        depth = np.where(semantic == 1, 1.5, 4.0).astype(np.float32)
        turned = np.array([1, x / 30, 0, 0]) / np.hypot(1, x / 30)
        labels = Labels(
            boxes=np.array([[x, 20, x + 24, 44]], np.float32), classes=np.array([cls]), depth=depth, semantic=semantic,
            vectors={"quaternion": turned.astype(np.float32), "free": np.full(16, 2 + 6 * cls, np.float32)},
        )  # fmt: skip
        writer.add(f"{index:03d}", image, labels, group=f"scene-{index}")
    writer.close()
    return open_image_set(root)


def task_of(model: str, steps: int = 6) -> tuple[Task, Model]:
    made: Model = construct("model", model, SMALL.get(model, {}))
    task: Task = construct("task", made.task, {"steps": steps, "batch_size": 4})
    return task, made


def losses(folder: Path) -> np.ndarray:
    """(logged steps, losses) of ``losses.csv``, without the step."""
    return np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1, ndmin=2)[:, 1:]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_learns_as_on_a_cpu(name: str, precision: Any, labelled: ImageSet, tmp_path: Path) -> None:
    """The first step's losses agree (later ones drift apart as rounding is fed back); predictions can be scored."""
    task, model = task_of(name)
    seen = {}
    for device in ("cpu", "cuda"):
        folder = tmp_path / device
        folder.mkdir(exist_ok=True)
        context = Context(3, folder, device=device, precision=precision if device == "cuda" else "fp32")
        state = task.train(model, labelled, context)
        seen[device] = losses(folder)[0]
        assert all(bool(torch.isfinite(tensor).all()) for tensor in state.values() if tensor.is_floating_point())
        task.predict(model, state, labelled.unlabelled(), context)
        # Dropout draws from the device's own generator, and what it leaves out differs.
        assert task.score(folder, labelled)
    loose = precision == "bf16" or name in {"dsn", "doubling-tower", "mnist-tower", "pvanet"}
    np.testing.assert_allclose(seen["cuda"], seen["cpu"], rtol=0.25 if loose else 0.02, atol=0.2 if loose else 0.02)


@pytest.mark.parametrize("name", ["ssd", "t2net-unet", "deeplab-v2", "fan-net", "resnet-pose"])
def test_predictions_do_not_depend_on_the_device(name: str, labelled: ImageSet, tmp_path: Path) -> None:
    """A model trained on the device scores the same images alike there and on a CPU."""
    task, model = task_of(name, steps=40)
    context = Context(3, tmp_path, device="cuda")
    state = task.train(model, labelled, context)
    found = []
    for device in ("cpu", "cuda"):
        folder = tmp_path / device
        folder.mkdir(exist_ok=True)
        task.predict(model, state, labelled.unlabelled(), replace(context, directory=folder, device=device))
        found.append({score.metric: score.value for score in task.score(folder, labelled)})
    assert found[0].keys() == found[1].keys()
    for metric, value in found[0].items():
        assert value == pytest.approx(found[1][metric], rel=0.02, abs=0.02, nan_ok=True), metric


@pytest.mark.parametrize("name", ["dsn", "fan-net", "resnet-pose", "mnist-tower"])
def test_the_same_training_gives_the_same_weights(name: str, labelled: ImageSet, tmp_path: Path) -> None:
    """Else the control is not 0 on a GPU. Networks that enlarge bilinearly are left out: that adds up in any order."""
    task, model = task_of(name, steps=40)
    states = []
    for attempt in ("first", "second"):
        folder = tmp_path / attempt
        folder.mkdir()
        states.append(task.train(model, labelled, Context(3, folder, device="cuda")))
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


class Killed(BaseException):
    """As the process's end: no `except Exception` holds it."""


def test_training_goes_on_from_a_checkpoint(labelled: ImageSet, tmp_path: Path) -> None:
    """Killed in the middle and resumed on the device, the losses after it stay near those of the whole run."""
    task, model = task_of("deeplab-v2", steps=40)
    logs = []
    for killed in (False, True):
        folder = tmp_path / f"killed-{killed}"
        folder.mkdir(exist_ok=True)
        context = Context(3, folder, device="cuda", checkpoint=folder / "checkpoint.pt")

        def watch(progress: Progress, killed: bool = killed) -> None:
            if killed and progress.step >= 20:
                raise Killed

        if killed:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr("bench.training.time.monotonic", ticking())
                with pytest.raises(Killed):
                    task.train(model, labelled, replace(context, progress=watch))
            assert (folder / "checkpoint.pt").exists()
        task.train(model, labelled, context)
        logs.append(losses(folder))
    assert logs[0].shape == logs[1].shape
    np.testing.assert_allclose(logs[0], logs[1], rtol=0.3, atol=0.1)


def ticking() -> Any:
    """A clock that goes on by a minute whenever it is read, so that every step is a checkpoint's turn."""
    now = 0.0

    def read() -> float:
        nonlocal now
        now += 60
        return now

    return read


def test_a_full_device_is_one_line() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50, dtype=torch.uint8, device="cuda")
    assert _one_line(caught.value) == "out of memory on the device; use a smaller batch or image size"
