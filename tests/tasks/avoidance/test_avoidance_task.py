"""The task: loss and metrics by hand, mirroring, learning, errors, and the real thing: a rendered lattice."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from bench import plugins
from bench.contracts import Context, SplitRequest
from bench.errors import DataError
from bench.formats.layout import open_image_set
from bench.samples import ImageSet
from bench.worlds.flight import Flight as FlightWorld
from tasks.avoidance.fan_net import FanNet
from tasks.avoidance.metrics import direction_accuracy, distance_error
from tasks.avoidance.resnet_fan import ResNetFan
from tasks.avoidance.task import Avoidance

SMALL = FanNet(FanNet.Config(width=8))


def task(**settings: Any) -> Avoidance:
    return Avoidance(Avoidance.Config(**{"steps": 60, "batch_size": 16, "learning_rate": 5e-3} | settings))


def figures(scores: list[Any]) -> dict[str, float]:
    return {score.metric: score.value for score in scores}


def test_found_by_name() -> None:
    assert plugins.find("task", "avoidance").load() is Avoidance
    assert Avoidance.headline in Avoidance.metrics
    assert {"fan-net", "resnet-fan"} <= set(plugins.names("model", "avoidance"))


def test_the_loss_by_hand() -> None:
    free = torch.tensor([[10.0, 20.0]])
    outputs = torch.tensor([[math.log(0.5) + 0.1, 0.5]])  # off by 0.1: square; by 0.5: linear
    expected = (0.5 * 0.1**2 / 0.2 + (0.5 - 0.1)) / 2
    assert float(task().losses(outputs, {"free": free})["distance"]) == pytest.approx(expected, rel=1e-5)


def test_the_loss_against_plain_loops() -> None:
    random = np.random.default_rng(0)
    free, outputs = random.uniform(0.3, 20, (5, 16)), random.normal(-1, 1, (5, 16))
    total = 0.0
    for wanted, found in zip(free.ravel(), outputs.ravel(), strict=True):
        error = abs(found - math.log(wanted / 20))
        total += error**2 / (2 * 0.3) if error < 0.3 else error - 0.15
    loss = task(beta=0.3).losses(torch.from_numpy(outputs), {"free": torch.from_numpy(free)})["distance"]
    assert float(loss) == pytest.approx(total / 80, rel=1e-5)


def test_decoding_inverts_the_logarithm_and_keeps_bounds() -> None:
    free = torch.tensor([[0.2, 3.0, 20.0]])
    assert torch.allclose(task().decode(torch.log(free / 20))["free"], free)
    assert task().decode(torch.tensor([[-100.0, 100.0]]))["free"].tolist() == [[pytest.approx(0.2), 20.0]]


def test_mirroring_takes_image_and_fan_along() -> None:
    images = torch.rand(64, 3, 4, 16)
    targets = {"free": images[:, 0, 0].clone()}
    flipped, moved = task().augment(images, targets, np.random.default_rng(0))
    assert torch.equal(flipped[:, 0, 0], moved["free"])
    assert 0.25 < float((flipped != images).flatten(1).any(1).float().mean()) < 0.75
    assert torch.equal(task(flip=1).augment(images, targets, np.random.default_rng(0))[0], images.flip(-1))
    assert torch.equal(task(flip=0).augment(images, targets, np.random.default_rng(0))[0], images)


def test_direction_accuracy_by_hand() -> None:
    """Three choices of 22.5, 0 and -22.5 degrees, with 6 cos 22.5 = 5.543 m of progress aside and 6 m straight on."""
    steering = task(directions=4).steering
    open_ = [20.0] * 4
    left, right = [20.0, 20.0, 2.0, 20.0], [20.0, 2.0, 20.0, 20.0]  # straight on and one side are free for 2 - 0.45
    true = np.array([open_, left, right, open_])
    predicted = np.array([open_, open_, right, left])
    assert [steering.choose(free) for free in (left, open_, right)] == [0, 1, 2]
    # The second prediction flies into the obstacle; the last turns aside where nothing is: 0.457 m less progress.
    aside = steering.values(open_)[steering.choose(left)]
    assert aside == pytest.approx(6 * math.cos(math.pi / 8))
    assert direction_accuracy(steering, predicted, true, 0.5) == pytest.approx(3 / 4)
    assert direction_accuracy(steering, predicted, true, 0.4) == pytest.approx(2 / 4)
    assert direction_accuracy(steering, true, true, 0.0) == 1


def test_distance_error_by_hand() -> None:
    predicted, true = np.array([[1.0, 30.0], [4.0, 2.0]]), np.array([[2.0, 25.0], [4.0, 5.0]])
    assert distance_error(predicted, true, 20.0) == pytest.approx((1 + 0 + 0 + 3) / 4)


def test_perfect_predictions_score_perfectly(courses: ImageSet) -> None:
    scores = figures(task().measure({"free": task().targets(courses)["free"]}, courses))
    assert scores == {
        "direction_accuracy": 1.0, "distance_error": 0.0, "metres_flown": pytest.approx(9.0), "collision_rate": 0.0,
    }  # fmt: skip


def test_metres_flown_by_hand(make_courses: Callable[..., ImageSet], courses: ImageSet) -> None:
    """Two flights into the disc (4.2 m, and 5 - sqrt(.8^2 - .7^2)), and one beside it to the finish."""
    data = courses.subset([k for k, group in enumerate(courses.groups) if group == "c0"])
    blind = {"free": np.full((len(data), 16), 20.0, np.float32)}
    scores = figures(task(starts=(0.0, 0.7, 1.5)).measure(blind, data))
    expected = (4.2 + 5 - math.sqrt(0.8**2 - 0.7**2) + 9) / 3
    assert scores["metres_flown"] == pytest.approx(expected, abs=0.002)
    assert scores["collision_rate"] == pytest.approx(2 / 3)
    # A start inside the border is left out; none at all is an error.
    assert figures(task(starts=(0.0, 3.9)).measure(blind, data))["metres_flown"] == pytest.approx(4.2, abs=0.002)
    with pytest.raises(DataError, match=r"no start of \[3.9\] m is free in any course; change train.starts"):
        task(starts=(3.9,)).measure(blind, data)


def test_a_set_without_lattices_has_no_flights(courses: ImageSet) -> None:
    records = tuple(replace(record, vectors={"free": record.vectors["free"]}) for record in courses.records)
    data = replace(courses, records=records)
    scores = figures(task().measure({"free": task().targets(data)["free"]}, data))
    assert scores == {"direction_accuracy": 1.0, "distance_error": 0.0}


def test_learns_to_fly(courses: ImageSet, context: Context) -> None:
    avoidance = task()
    before = avoidance.learner(SMALL, courses, context).state()
    found = []
    for state in (before, avoidance.train(SMALL, courses, context)):
        avoidance.predict(SMALL, state, courses.unlabelled(), context)
        found.append(figures(avoidance.score(context.directory, courses)))
    assert set(found[1]) == set(Avoidance.metrics)
    assert found[1]["distance_error"] < 0.5 * found[0]["distance_error"], found
    assert found[1]["direction_accuracy"] > 0.7, found
    assert found[1]["metres_flown"] > found[0]["metres_flown"], found


def test_same_seed_same_bytes(courses: ImageSet, tmp_path: Path) -> None:
    model = ResNetFan(ResNetFan.Config(width=0.1, hidden=8))
    states = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        states.append(task(steps=3).train(model, courses, Context(5, tmp_path / name)))
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_labels_that_make_no_sense_are_one_clear_line(courses: ImageSet) -> None:
    def changed(free: tuple[float, ...]) -> ImageSet:
        return replace(courses, records=(replace(courses.records[0], vectors={"free": free}),))

    with pytest.raises(DataError, match=r"16 free distances, but train\.directions is 8; set it"):
        task(directions=8).targets(courses)
    with pytest.raises(DataError, match="no vector 'free'"):
        task().targets(changed(()))
    with pytest.raises(DataError, match="negative or not finite"):
        task().targets(changed((math.nan,) * 16))
    assert task().targets(changed((0.0,) * 8 + (99.0,) * 8))["free"].tolist() == [[pytest.approx(0.2)] * 8 + [20.0] * 8]
    with pytest.raises(DataError, match=r"\(8,\) free distances predicted, the truth has \(16,\)"):
        task().measure({"free": np.ones((len(courses), 8))}, courses)


@pytest.mark.parametrize(
    "settings", [{"near": 30}, {"directions": 1}, {"speed": 0}, {"field_of_view": 180}, {"starts": ()}, {"flip": 2}]
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Avoidance.Config(**settings)


def test_truth_flies_through_the_rendered_world(tmp_path: Path) -> None:
    """The labels of a rendered lattice, free distances read off depth maps, lead to the finish."""
    world = FlightWorld(FlightWorld.Config(test_length=9, density=0.4))
    world.image_set(SplitRequest("synthetic", "test", 70, 32, 3), Context(0, tmp_path))
    data, avoidance = open_image_set(tmp_path), task()
    true = avoidance.targets(data)["free"]
    scores = figures(avoidance.measure({"free": true}, data))
    assert (scores["direction_accuracy"], scores["distance_error"]) == (1.0, 0.0)
    assert scores["metres_flown"] > 8.5, scores
    assert scores["collision_rate"] <= 0.2, scores
    blind = figures(avoidance.measure({"free": np.full_like(true, 20.0)}, data))
    assert blind["metres_flown"] < scores["metres_flown"]
    assert blind["direction_accuracy"] < 0.9
