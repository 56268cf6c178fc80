import math
from pathlib import Path

import numpy as np
import pytest
import torch
from adaptation import TinyLearner
from pydantic import ValidationError

from bench.contracts import Context
from bench.errors import UsageError
from bench.frames import Frames
from bench.plugins import find
from bench.samples import ImageSet
from bench.seeds import derive
from bench.training import Batches
from refiners.maximum_mean_discrepancy import gaussian_kernels, squared_discrepancy
from refiners.mmd import DSN_VARIANCES, Mmd, MmdConfig


def test_found_as_an_adapter_that_refines_nothing(synthetic: ImageSet, context: Context) -> None:
    cls = find("refiner", "mmd").load()
    assert (cls.joint, cls.refines, cls.separable, cls.trained) == (True, False, False, True)
    with pytest.raises(UsageError, match=r"refines no images; use the arm joint\(mmd\)"):
        cls(cls.Config()).refine([synthetic[0]], context)
    for settings, part in (({"variances": (1.0, 0.0)}, "greater than 0"), ({"variances": ()}, "at least 1")):
        with pytest.raises(ValidationError, match=part):
            MmdConfig(**settings)  # type: ignore[arg-type]


def test_kernels_by_hand() -> None:
    """Squared distances 25 and 0; variances 1/2 and 12.5 make exponents 25 and 1."""
    kernel = gaussian_kernels(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0]]), (0.5, 12.5))
    torch.testing.assert_close(kernel, torch.tensor([[math.exp(-25) + math.exp(-1)], [2.0]]))


def test_discrepancy_by_hand() -> None:
    """Samples {0, 1} and {2}, variance 1/2: kernels exp(-d^2)."""
    first, second = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [2.0]])
    cross = (math.exp(-4) + math.exp(-1)) / 2
    biased = (2 + 2 * math.exp(-1)) / 4 + 1 - 2 * cross
    unbiased = math.exp(-1) + 1 - 2 * cross
    assert float(squared_discrepancy(first, second, (0.5,))) == pytest.approx(biased, rel=1e-6)
    assert float(squared_discrepancy(first, second, (0.5,), unbiased=True)) == pytest.approx(unbiased, rel=1e-6)


@pytest.mark.parametrize("unbiased", [False, True])
def test_discrepancy_is_numpys_loop(unbiased: bool) -> None:
    random = np.random.default_rng(1)
    first, second = random.normal(size=(5, 3)), random.normal(0.5, 2, size=(4, 3))

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return sum(math.exp(-float(np.dot(x - y, x - y)) / (2 * s)) for s in DSN_VARIANCES)

    def within(sample: np.ndarray) -> float:
        pairs = [(i, j) for i in range(len(sample)) for j in range(len(sample)) if not unbiased or i != j]
        return float(np.mean([kernel(sample[i], sample[j]) for i, j in pairs]))

    expected = within(first) + within(second) - 2 * np.mean([kernel(x, y) for x in first for y in second])
    found = squared_discrepancy(torch.tensor(first), torch.tensor(second), DSN_VARIANCES, unbiased)
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_equal_samples_have_none_and_the_unbiased_one_is_zero_on_average() -> None:
    sample = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    assert float(squared_discrepancy(sample, sample.clone(), DSN_VARIANCES)) == pytest.approx(0, abs=1e-5)
    generator = torch.Generator().manual_seed(1)
    values = {unbiased: [] for unbiased in (False, True)}
    for _ in range(300):
        first, second = torch.randn(8, 2, generator=generator), torch.randn(8, 2, generator=generator)
        for unbiased, found in values.items():
            found.append(float(squared_discrepancy(first, second, (1.0,), unbiased)))
    means = {unbiased: np.mean(found) for unbiased, found in values.items()}
    error = np.std(values[True]) / math.sqrt(300)
    assert abs(means[True]) < 3 * error
    assert means[False] > 10 * error
    assert min(values[False]) >= -1e-6


@pytest.mark.parametrize("maps", [False, True])
def test_training_is_the_hand_written_loop(synthetic: ImageSet, real: ImageSet, context: Context, maps: bool) -> None:
    learner, other = TinyLearner(maps=maps), TinyLearner(maps=maps)
    refiner = Mmd(MmdConfig(weight=2.0, variances=(0.1, 1.0)))
    refiner.fit_jointly(learner, synthetic, real, context)
    assert refiner.state_dict() == {}
    frames, others, labels = Frames(synthetic), Frames(real), other.targets(synthetic)["boxes"]
    order = Batches(len(synthetic), 3, context.seed)
    real_order = Batches(len(real), 3, context.seed, "real")
    optimizer = other.optimizer()
    for step in range(5):
        indices = order.indices(step)
        other.schedule(optimizer, step)
        images, unlabelled = frames.batch(indices), others.batch(real_order.indices(step))
        task = other.losses(other.outputs(images), {"boxes": labels[indices]})["task"]
        ours, theirs = other.features(images), other.features(unlabelled)
        if maps:
            ours, theirs = ours.mean((2, 3)), theirs.mean((2, 3))
        distance = torch.zeros(())
        for variance in (0.1, 1.0):
            for a, b, sign in ((ours, ours, 1), (theirs, theirs, 1), (ours, theirs, -2)):
                for x in a:
                    for y in b:
                        distance = distance + sign * torch.exp(-((x - y) ** 2).sum() / (2 * variance)) / 9
        optimizer.zero_grad()
        (task + 2.0 * distance).backward()
        optimizer.step()
    for name, value in learner.state().items():
        torch.testing.assert_close(value, other.state()[name], rtol=1e-4, atol=1e-6)
    assert (context.directory / "losses.csv").read_text().splitlines()[0] == "step,task,alignment"


def test_weight_0_is_training_on_synthetic_images(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    learner, plain = TinyLearner(dropout=0.5), TinyLearner(dropout=0.5)
    Mmd(MmdConfig(weight=0)).fit_jointly(learner, synthetic, real, context)
    frames, labels = Frames(synthetic), plain.targets(synthetic)["boxes"]
    batches, optimizer = Batches(len(synthetic), plain.batch_size, context.seed), plain.optimizer()
    for step in range(plain.steps):
        torch.manual_seed(derive(context.seed, "torch", step))
        indices = batches.indices(step)
        plain.schedule(optimizer, step)
        optimizer.zero_grad()
        plain.losses(plain.outputs(frames.batch(indices)), {"boxes": labels[indices]})["task"].backward()
        optimizer.step()
    for name, value in learner.state().items():
        assert torch.equal(value, plain.state()[name]), name


def test_alignment_brings_the_domains_together(synthetic: ImageSet, real: ImageSet, tmp_path: Path) -> None:
    left = {}
    for weight in (0.0, 1.0):
        (tmp_path / str(weight)).mkdir()
        learner, refiner = TinyLearner(steps=200), Mmd(MmdConfig(weight=weight, variances=(1.0,)))
        refiner.fit_jointly(learner, synthetic, real, Context(5, tmp_path / str(weight)))
        with torch.no_grad():
            ours, theirs = (learner.features(Frames(s).batch(range(len(s)))) for s in (synthetic, real))
        assert float(ours.std()) > 0.1, "the features have collapsed"
        left[weight] = float(squared_discrepancy(ours, theirs, (1.0,)))
    assert left[1.0] < 0.5 * left[0.0]


def test_one_image_a_batch_cannot_be_unbiased(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    with pytest.raises(UsageError, match="batches of 2 or more"):
        Mmd(MmdConfig(estimator="unbiased")).fit_jointly(TinyLearner(batch_size=1), synthetic, real, context)
    Mmd(MmdConfig(estimator="unbiased")).fit_jointly(TinyLearner(batch_size=2), synthetic, real, context)
