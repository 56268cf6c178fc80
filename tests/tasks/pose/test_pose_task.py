"""The pose task: labels in, predictions on disk, scores, and training that can be killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bench import plugins
from bench.contracts import Context, Score
from bench.errors import DataError, DivergedError, LabelsHiddenError
from bench.samples import ImageSet
from tasks import supervised
from tasks.pose.dsn import DSNTower
from tasks.pose.mnist_tower import MNISTTower
from tasks.pose.task import Pose

Make = Callable[..., ImageSet]


def pose(**options: Any) -> Pose:
    return Pose(Pose.Config(**{"steps": 8, "batch_size": 4} | options))


def tower(**options: Any) -> DSNTower:
    return DSNTower(DSNTower.Config(width=0.25, **options))


def folder(root: Path, name: str) -> Path:
    (root / name).mkdir()
    return root / name


def scored(scores: list[Score]) -> dict[str, float]:
    return {score.metric: score.value for score in scores}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_found_as_a_plug_in_with_its_models() -> None:
    assert plugins.find("task", "pose").load() is Pose
    assert {"dsn", "doubling-tower", "mnist-tower"} <= set(plugins.names("model", "pose"))
    assert Pose.headline in Pose.metrics


def test_targets_are_the_labels(make_set: Make) -> None:
    data = make_set(5)
    targets = pose().targets(data)
    assert targets["classes"].tolist() == [0, 1, 2, 0, 1]
    for quaternion, sample in zip(targets["quaternion"], data, strict=True):
        assert quaternion == pytest.approx(sample.labels.vectors["quaternion"])
    assert pose().targets(make_set(5, quaternions=False)).keys() == {"classes"}


def test_labels_that_make_no_sense_are_named(make_set: Make) -> None:
    data = make_set(3)

    def broken(**changes: Any) -> ImageSet:
        return replace(data, records=(*data.records[:2], replace(data.records[2], **changes)))

    with pytest.raises(DataError, match=r"002\.png: no labelled object"):
        pose().targets(broken(classes=()))
    for value in ((1.0, 0.0, 0.0), (1.0, 1.0, 0.0, 0.0), (float("nan"), 0.0, 0.0, 0.0)):
        with pytest.raises(DataError, match=r"002\.png: quaternion .* mend the label"):
            pose().targets(broken(vectors={"quaternion": value}))
    with pytest.raises(DataError, match=r"002\.png: quaternion"):
        pose().targets(broken(vectors={}))
    with pytest.raises(DataError, match="have no boxes"):
        pose().targets(replace(data, has=frozenset({"vectors"})))
    with pytest.raises(LabelsHiddenError):
        pose().targets(data.unlabelled())
    sensed = make_set(3, depth=True).sensed({"depth": 0.4})
    with pytest.raises(LabelsHiddenError):
        pose().targets(sensed.unlabelled())


def test_losses_by_hand() -> None:
    """Two classes at even logits cost log 2; a quarter turn costs xi log(1.0001)."""
    outputs = {"logits": torch.zeros(2, 2), "quaternion": torch.tensor([[1.0, 0, 0, 0], [0.0, 1, 0, 0]])}
    targets = {"classes": torch.tensor([0, 1]), "quaternion": torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])}
    losses = pose(xi=0.5).losses(outputs, targets)
    assert losses["classification"].item() == pytest.approx(np.log(2))
    assert losses["orientation"].item() == pytest.approx(0.5 * (np.log(1e-4) + np.log(1.0001)) / 2, abs=1e-4)
    assert pose().losses(outputs, targets)["orientation"].item() == pytest.approx(losses["orientation"].item() / 4)
    assert pose().losses(outputs, {"classes": targets["classes"]}).keys() == {"classification"}
    assert pose().losses({"logits": outputs["logits"]}, targets).keys() == {"classification"}


def test_predictions_made_from_the_truth_score_perfectly(make_set: Make, context: Context) -> None:
    data = make_set(7)
    truth = pose().targets(data)
    np.savez(context.directory / "predictions.npz", classes=truth["classes"], quaternion=-truth["quaternion"])
    scores = scored(pose().score(context.directory, data))
    assert scores.pop("angle_error") == pytest.approx(0, abs=1e-4)
    assert scores == {"accuracy": 1, "accuracy/ape": 1, "accuracy/cam": 1, "accuracy/duck": 1}


def test_scores_by_hand(make_set: Make) -> None:
    """Truth 0 1 2 0 against 0 0 2 1; a class that is not there has no accuracy; classes alone have no angle."""
    data = make_set(4)
    guess = {"classes": np.array([0, 0, 2, 1]), "quaternion": pose().targets(data)["quaternion"][::-1]}
    scores = scored(pose().measure(guess, data))
    cosines = [np.abs(np.dot(a, b)) for a, b in zip(guess["quaternion"], guess["quaternion"][::-1], strict=True)]
    assert scores["accuracy"] == 0.5
    assert (scores["accuracy/ape"], scores["accuracy/cam"], scores["accuracy/duck"]) == (0.5, 0, 1)
    assert scores["angle_error"] == pytest.approx(np.mean([np.degrees(2 * np.arccos(c)) for c in cosines]), abs=1e-3)
    few = make_set(2, quaternions=False)
    assert scored(pose().measure({"classes": np.array([0, 1])}, few)).keys() == {
        "accuracy", "accuracy/ape", "accuracy/cam"
    }  # fmt: skip
    assert "angle_error" not in scored(pose().measure({"classes": guess["classes"]}, data))
    assert {name.split("/")[0] for name in scores} == set(Pose.metrics)


def test_a_missing_prediction_is_an_error(make_set: Make, context: Context) -> None:
    np.savez(context.directory / "predictions.npz", classes=np.zeros(3, np.int64))
    with pytest.raises(DataError, match="3 predictions of classes for 4 images"):
        pose().score(context.directory, make_set(4))


@pytest.mark.parametrize("depth", [False, True])
def test_training_learns_the_class_and_predicts_without_labels(make_set: Make, context: Context, depth: bool) -> None:
    """Brightness tells the class; orientations of noise are learnt by heart or not, but they are unit quaternions."""
    data = make_set(24, depth=depth)
    data = data.sensed({"depth": 0.4}) if depth else data
    task, model = pose(steps=120, learning_rate=3e-3), tower()
    state = task.train(model, data, context)
    save_file(dict(state), context.directory / "state.safetensors")
    assert state["first.0.weight"].shape[1] == (4 if depth else 3)
    test = make_set(70, seed=5, depth=depth)
    task.predict(model, state, (test.sensed({"depth": 0.4}) if depth else test).unlabelled(), context)
    scores = scored(task.score(context.directory, test))
    assert scores["accuracy"] > 0.9
    assert 30 < scores["angle_error"] <= 180
    with np.load(context.directory / "predictions.npz") as file:
        assert np.linalg.norm(file["quaternion"], axis=1) == pytest.approx(np.ones(70), abs=1e-5)
    header = (context.directory / "losses.csv").read_text().splitlines()[0]
    assert header == "step,classification,orientation"


def test_digits_train_the_class_alone(make_set: Make, context: Context) -> None:
    data, model = make_set(12, quaternions=False), MNISTTower(MNISTTower.Config(width=0.25))
    task = pose(steps=60, learning_rate=3e-3)
    task.predict(model, task.train(model, data, context), data.unlabelled(), context)
    assert scored(task.score(context.directory, data))["accuracy"] > 0.9
    assert (context.directory / "losses.csv").read_text().splitlines()[0] == "step,classification"


def test_training_depends_on_the_seed_and_nothing_else(make_set: Make, tmp_path: Path) -> None:
    data = make_set(6)
    states = [
        pose().train(tower(), data, Context(seed=seed, directory=folder(tmp_path, f"{k}")))
        for k, seed in enumerate((1, 1, 2))
    ]
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


class Killed(Exception):
    """Stands for the end of the process."""


def test_a_killed_training_ends_in_the_same_bytes(
    make_set: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout, which draws from torch's generator."""
    data, task = make_set(6), pose()
    whole = task.train(tower(), data, Context(seed=3, directory=folder(tmp_path, "whole")))
    plain_train, plain_losses, calls = supervised.train, task.losses, []

    def save_always(*arguments: Any, **options: Any) -> None:
        plain_train(*arguments, **options, checkpoint_seconds=-1.0)

    def die_in_step_six(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:
            raise Killed
        return plain_losses(*arguments)

    monkeypatch.setattr(supervised, "train", save_always)
    monkeypatch.setattr(task, "losses", die_in_step_six)
    context = Context(seed=3, directory=folder(tmp_path, "killed"), checkpoint=tmp_path / "checkpoint.pt")
    with pytest.raises(Killed):
        task.train(tower(), data, context)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 5
    torch.manual_seed(99)
    assert same(whole, task.train(tower(), data, context))
    assert len(calls) == 6 + 3
    assert (tmp_path / "whole" / "losses.csv").read_bytes() == (tmp_path / "killed" / "losses.csv").read_bytes()


def test_weights_that_explode_are_reported(make_set: Make, context: Context) -> None:
    task = pose(steps=20, learning_rate=1e30, gradient_clip=0, optimizer="sgd")
    with pytest.raises(DivergedError, match="lower the learning rate"):
        task.train(tower(dropout=0.0), make_set(4), context)
