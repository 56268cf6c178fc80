"""The avoidance task: from one image the free distance in a fan of directions, and from that where to fly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from bench.contracts import Score
from bench.errors import DataError
from bench.learning import Targets
from bench.resampling import ratio
from bench.samples import ImageSet
from bench.showing import Showing, TaskPicture
from tasks.avoidance.flying import Flight, Lattice, Quadcopter, fly, lattices
from tasks.avoidance.metrics import direction_accuracy, distance_error, distance_errors, right_directions
from tasks.avoidance.model import FanSpec
from tasks.avoidance.pictures import avoidance_pictures
from tasks.avoidance.steering import Steering
from tasks.supervised import Arrays, SupervisedTask


class Avoidance(SupervisedTask):
    """Reactive obstacle avoidance of a quadcopter with one camera. ``predictions.npz`` keeps ``free``: (N, K) metres.

    The setting of Stein and Roy 2017 (GeneSIS-RT, arXiv 1710.04280), who flew 60 m at up to 3.4 m/s. Of their networks,
    labels and metrics we had no source: this task is ours, and so are its figures.

    Labels are vectors ``free``: K metres to the nearest obstacle in sectors of equal angle, from the left edge of the
    view to the right. A network regresses their logarithms with a Huber loss, so that 10 % count the same near and far.

    Metrics: ``direction_accuracy``, the share of views for which the choice that `Steering` makes from the prediction
    promises, by the true free distances, at most ``tolerance`` metres less progress than the best choice;
    ``distance_error``, the mean of |d - d'| in metres, both at most ``reach``, over directions and views; and, over
    closed-loop flights from every start of every course, ``metres_flown``: the mean of metres along the course before
    a collision or the finish, and ``collision_rate``. The flights need a set of lattices (`tasks.avoidance.flying`); on
    any other set they are left out.
    """

    name = "avoidance"
    version = 1
    score_version = 1
    metrics: ClassVar[Mapping[str, bool]] = {
        "direction_accuracy": True, "distance_error": False, "metres_flown": True, "collision_rate": False,
    }  # fmt: skip
    headline = "direction_accuracy"
    capturable = True
    needs = frozenset({"vectors"})

    class Config(SupervisedTask.Config):
        """Training and flying, beside `SupervisedTask.Config`.

        Attributes:
            directions: K, how many free distances a view has.
            field_of_view: degrees that they cover.
            reach: metres; the largest free distance: a label of this means nothing in sight.
            near: metres; the smallest distance that is told apart.
            beta: where the Huber loss turns from square to linear, in units of the natural logarithm of the distance.
            flip: probability of mirroring a training image, and its fan.
            speed: of the quadcopter in m/s; 3.4 is the paper's largest.
            decisions_per_second, acceleration (m/s^2, sideways), radius (metres): see `flying.Quadcopter`. 10 m/s^2
                are what a bank of 45 degrees gives.
            margin, horizon: metres, see `steering.Steering`.
            tolerance: metres of progress, of at most ``horizon``, by which a choice may fall short and is still right.
            starts: metres to the left of the course's middle that flights start from; one inside an obstacle is left
                out.
        """

        directions: int = Field(default=16, ge=2, le=1024)
        field_of_view: float = Field(default=90.0, gt=0, le=170)
        reach: float = Field(default=20.0, gt=0)
        near: float = Field(default=0.2, gt=0)
        beta: float = Field(default=0.2, gt=0)
        flip: float = Field(default=0.5, ge=0, le=1)
        speed: float = Field(default=3.4, gt=0)
        decisions_per_second: float = Field(default=10.0, gt=0, le=1000)
        acceleration: float = Field(default=10.0, gt=0)
        radius: float = Field(default=0.3, gt=0)
        margin: float = Field(default=0.15, ge=0)
        horizon: float = Field(default=6.0, gt=0)
        tolerance: float = Field(default=0.5, ge=0)
        starts: tuple[float, ...] = Field(default=(-1.5, -0.75, 0.0, 0.75, 1.5), min_length=1)

        @model_validator(mode="after")
        def _ordered(self) -> Avoidance.Config:
            if not self.near < self.reach:
                raise ValueError(f"near = {self.near} m must be less than reach = {self.reach} m")
            return self

    @property
    def steering(self) -> Steering:
        """The steering rule."""
        c = self.config
        return Steering(c.directions, float(np.radians(c.field_of_view)), c.reach, c.radius, c.margin, c.horizon)

    @property
    def quadcopter(self) -> Quadcopter:
        """What flies."""
        c = self.config
        return Quadcopter(c.speed, c.decisions_per_second, c.acceleration, c.radius)

    def spec(self, data: ImageSet) -> FanSpec:
        """See `SupervisedTask.spec`."""
        base = super().spec(data)
        return FanSpec(base.classes, base.channels, base.size, self.config.directions)

    def targets(self, data: ImageSet) -> Arrays:
        """``free``: (N, K) float32 in metres, between ``near`` and ``reach``."""
        count = self.config.directions
        free = np.empty((len(data), count), np.float32)
        for index, record in enumerate(data.records):
            values = np.asarray(record.vectors.get("free", ()), np.float32)
            if not len(values):
                raise DataError(f"{record.path}: no vector 'free', which the task 'avoidance' learns")
            if len(values) != count:
                raise DataError(f"{record.path}: {len(values)} free distances, but train.directions is {count}; set it")
            if not (np.isfinite(values) & (values >= 0)).all():
                raise DataError(f"{record.path}: a free distance is negative or not finite; mend the vector 'free'")
            free[index] = values
        return {"free": free.clip(self.config.near, self.config.reach)}

    def losses(self, outputs: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """The Huber loss of the outputs, which stand for the logarithm of distance over ``reach``."""
        wanted = torch.log(targets["free"] / self.config.reach)
        return {"distance": F.smooth_l1_loss(outputs.float(), wanted, beta=self.config.beta)}

    def decode(self, outputs: Any) -> Mapping[str, Tensor]:
        """``free``: (B, K) metres between ``near`` and ``reach``."""
        c = self.config
        return {"free": (outputs.float().exp() * c.reach).clamp(c.near, c.reach)}

    def augment(self, images: Tensor, targets: Targets, random: np.random.Generator) -> tuple[Tensor, Targets]:
        """Mirror images and their fans."""
        chosen = torch.from_numpy(random.random(len(images)) < self.config.flip).to(images.device)
        free = targets["free"]
        images = torch.where(chosen[:, None, None, None], images.flip(-1), images)
        return images, {**targets, "free": torch.where(chosen[:, None], free.flip(-1), free)}

    def measure(self, predictions: Arrays, truth: ImageSet) -> list[Score]:
        """The metrics of the class; those of flights only where the set is one of lattices."""
        predicted, true = self._distances(predictions, truth)
        steering = self.steering
        scores = [
            Score("direction_accuracy", direction_accuracy(steering, predicted, true, self.config.tolerance)),
            Score("distance_error", distance_error(predicted, true, self.config.reach)),
        ]
        flown = [flight for _, flights in self.flights(predicted, truth) for flight in flights]
        if flown:
            scores.append(Score("metres_flown", float(np.mean([flight.metres for flight in flown]))))
            scores.append(Score("collision_rate", float(np.mean([flight.collided for flight in flown]))))
        return scores

    def measure_draws(
        self, predictions: Arrays, truth: ImageSet, draws: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Means over views, and over flights; a course's flights count as often as its views, which are one group."""
        predicted, true = self._distances(predictions, truth)
        found = {
            "direction_accuracy": ratio(draws, right_directions(self.steering, predicted, true, self.config.tolerance)),
            "distance_error": ratio(draws, distance_errors(predicted, true, self.config.reach).mean(1)),
        }
        flown = np.zeros((len(true), 3))
        for lattice, flights in self.flights(predicted, truth):
            # What belongs to the course stands at one of its views: they are drawn together or not at all.
            flown[lattice.views[0]] = [sum(f.metres for f in flights), sum(f.collided for f in flights), len(flights)]
        if flown.any():
            found["metres_flown"] = ratio(draws, flown[:, 0], flown[:, 2])
            found["collision_rate"] = ratio(draws, flown[:, 1], flown[:, 2])
        return found

    def _distances(self, predictions: Arrays, truth: ImageSet) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Predicted and true, (N, K) metres; raises `DataError` where their shapes differ."""
        true, predicted = self.targets(truth)["free"], np.asarray(predictions["free"], np.float64)
        if predicted.shape != true.shape:
            raise DataError(f"{predicted.shape[1:]} free distances predicted, the truth has {true.shape[1:]} an image")
        return predicted, true

    def agreement(self, predictions: Path, truth: ImageSet) -> NDArray[np.float64]:
        """(N,) share of the directions whose free distance is within a factor of 1.25 of the true one."""
        true, predicted = self.targets(truth)["free"], self.arrays(predictions, truth)["free"]
        return np.asarray(np.mean(np.maximum(predicted / true, true / predicted) < 1.25, axis=1), np.float64)

    def flights(self, free: np.ndarray[Any, Any], truth: ImageSet) -> list[tuple[Lattice, list[Flight]]]:
        """Every course of a set of lattices with its flights, one from each start that is free; pure.

        Args:
            free: (N, K) metres, as predicted for the set's images in order.
            truth: the set with its vectors.

        Raises:
            DataError: the set's lattices make no sense, or no start of any course is free.
        """
        steering, quadcopter = self.steering, self.quadcopter
        out = []
        for lattice in lattices(truth):
            first = float(lattice.rows.min())
            free_starts = [y for y in self.config.starts if not lattice.plan.collides((first, y), quadcopter.radius)]
            out.append((lattice, [fly(lattice, free, steering, quadcopter, y) for y in free_starts]))
        if out and not any(flights for _, flights in out):
            raise DataError(f"no start of {list(self.config.starts)} m is free in any course; change train.starts")
        return out

    def pictures(self, showing: Showing) -> list[TaskPicture]:
        """See `tasks.avoidance.pictures`."""
        truth = showing.truth
        true = self.targets(truth)["free"].astype(np.float64)
        return avoidance_pictures(
            showing, true, lambda free: self.flights(free, truth), self.steering, self.quadcopter.radius
        )
