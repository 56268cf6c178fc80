import math
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from adaptation import Featureless, TinyLearner
from pydantic import ValidationError
from torch import nn

from bench.contracts import Context
from bench.errors import UsageError
from bench.frames import Frames
from bench.learning import Targets
from bench.plugins import find
from bench.samples import ImageSet
from bench.seeds import derive
from bench.training import Batches, step_generator
from refiners.dann import Dann, DannConfig, DomainClassifier, domain_adversarial_loss, reverse_gradient
from refiners.feature_alignment import alignment_share, pooled


def test_found_as_an_adapter_that_refines_nothing(synthetic: ImageSet, context: Context) -> None:
    cls = find("refiner", "dann").load()
    assert (cls.joint, cls.refines, cls.separable, cls.trained) == (True, False, False, True)
    with pytest.raises(UsageError, match=r"refines no images; use the arm joint\(dann\)"):
        cls(cls.Config()).refine([synthetic[0]], context)
    with pytest.raises(ValidationError, match="widht"):
        DannConfig(widht=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(("progress", "share"), [(0, 0), (0.1, 0.46211716), (0.5, 0.98661430), (1, 0.99990920)])
def test_schedule(progress: float, share: float) -> None:
    assert alignment_share(progress) == pytest.approx(share, abs=1e-7)
    assert alignment_share(progress) == pytest.approx(math.tanh(5 * progress), abs=1e-12)
    assert Dann(DannConfig()).share(round(progress * 10), 10) == pytest.approx(share, abs=1e-7)
    assert Dann(DannConfig(schedule="constant")).share(round(progress * 10), 10) == 1


def test_reversal_is_the_identity_forwards_and_minus_the_factor_backwards() -> None:
    features = torch.tensor([[1.0, -2.0]], requires_grad=True)
    out = reverse_gradient(features, 0.3)
    assert torch.equal(out, features)
    (out * torch.tensor([[2.0, 5.0]])).sum().backward()
    assert features.grad is not None
    torch.testing.assert_close(features.grad, torch.tensor([[-0.6, -1.5]]))


def test_loss_and_gradients_by_hand() -> None:
    """Logits 2 for the synthetic and -1 for the real feature: mean of ln(1 + e^2) and ln(1 + e^1)."""
    classifier = nn.Linear(1, 1, bias=False)
    nn.init.ones_(classifier.weight)
    synthetic, real = torch.tensor([[2.0]], requires_grad=True), torch.tensor([[-1.0]], requires_grad=True)
    loss = domain_adversarial_loss(classifier, synthetic, real, 0.5)
    assert loss.item() == pytest.approx((math.log1p(math.exp(2)) + math.log1p(math.e)) / 2, rel=1e-6)
    loss.backward()
    on_synthetic = 1 / (1 + math.exp(-2)) / 2  # (sigmoid(logit) - label) / N
    on_real = (1 / (1 + math.e) - 1) / 2
    assert synthetic.grad is not None
    assert real.grad is not None
    assert classifier.weight.grad is not None
    assert synthetic.grad.item() == pytest.approx(-0.5 * on_synthetic, rel=1e-5)
    assert real.grad.item() == pytest.approx(-0.5 * on_real, rel=1e-5)
    # The classifier itself learns with the whole, unreversed gradient.
    assert classifier.weight.grad.item() == pytest.approx(2 * on_synthetic - on_real, rel=1e-5)


def test_loss_is_numpys() -> None:
    random = np.random.default_rng(0)
    classifier = DomainClassifier(5, 7)
    synthetic, real = random.normal(size=(4, 5)), random.normal(size=(3, 5))
    w0, b0, w1, b1 = (parameter.detach().double().numpy() for parameter in classifier.parameters())
    logits = np.maximum(np.concatenate([synthetic, real]) @ w0.T + b0, 0) @ w1.T + b1
    probability = 1 / (1 + np.exp(-logits[:, 0]))
    expected = -np.mean(np.concatenate([np.log(1 - probability[:4]), np.log(probability[4:])]))
    found = domain_adversarial_loss(
        classifier, torch.tensor(synthetic, dtype=torch.float32), torch.tensor(real, dtype=torch.float32), 1.0
    )
    assert float(found.detach()) == pytest.approx(expected, rel=1e-5)


def test_classifier_has_the_parameters_of_two_full_layers() -> None:
    assert sum(p.numel() for p in DomainClassifier(128, 100).parameters()) == 128 * 100 + 100 + 100 + 1


def test_pooled_features() -> None:
    maps = torch.arange(8.0).reshape(1, 2, 2, 2)
    assert pooled(maps).tolist() == [[1.5, 5.5]]
    assert pooled(torch.ones(2, 3)).shape == (2, 3)


def by_hand(learner: TinyLearner, synthetic: ImageSet, real: ImageSet, context: Context, weight: float) -> None:
    """DANN written out: two players' gradients computed apart, no reversal layer."""
    frames, others = Frames(synthetic), Frames(real)
    labels = learner.targets(synthetic)["boxes"]
    order = Batches(len(synthetic), learner.batch_size, context.seed)
    real_order = Batches(len(real), learner.batch_size, context.seed, "real")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(context.seed, "domain classifier"))
        classifier = DomainClassifier(4, 100)
    mine, theirs = list(learner.network.parameters()), list(classifier.parameters())
    optimizer = learner.optimizer(theirs)
    for step in range(learner.steps):
        indices = order.indices(step)
        learner.schedule(optimizer, step)
        images = frames.batch(indices)
        task = learner.losses(learner.outputs(images), {"boxes": labels[indices]})["task"]
        features = learner.features(torch.cat([images, others.batch(real_order.indices(step))]))
        logits = classifier(pooled(features))[:, 0]
        size = learner.batch_size
        domain = nn.functional.softplus(torch.cat([logits[:size], -logits[size:]])).mean()
        share = weight * (2 / (1 + math.exp(-10 * step / learner.steps)) - 1)
        own = torch.autograd.grad(task - share * domain, mine, retain_graph=True, allow_unused=True)
        for parameter, gradient in zip(mine, own, strict=True):
            parameter.grad = gradient
        for parameter, gradient in zip(theirs, torch.autograd.grad(domain, theirs), strict=True):
            parameter.grad = gradient
        optimizer.step()


@pytest.mark.parametrize("maps", [False, True])
def test_training_is_the_hand_written_game(
    synthetic: ImageSet, real: ImageSet, context: Context, maps: bool
) -> None:
    learner, other = TinyLearner(maps=maps), TinyLearner(maps=maps)
    refiner = Dann(DannConfig(weight=0.7))
    refiner.fit_jointly(learner, synthetic, real, context)
    by_hand(other, synthetic, real, context, 0.7)
    for name, value in learner.state().items():
        torch.testing.assert_close(value, other.state()[name], rtol=1e-4, atol=1e-6)
    lines = (context.directory / "losses.csv").read_text().splitlines()
    assert lines[0] == "step,task,alignment"
    assert lines[-1].startswith("5,")


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_weight_0_is_training_on_synthetic_images(
    synthetic: ImageSet, real: ImageSet, context: Context, dropout: float
) -> None:
    learner, plain = TinyLearner(dropout=dropout), TinyLearner(dropout=dropout)
    Dann(DannConfig(weight=0)).fit_jointly(learner, synthetic, real, context)
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
    assert not torch.equal(learner.state()["head.weight"], TinyLearner().state()["head.weight"])


def test_gradients_are_clipped_as_the_task_clips_them(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    learner, start = TinyLearner(steps=1), TinyLearner().state()
    learner.gradient_clip = 1e-3
    Dann(DannConfig()).fit_jointly(learner, synthetic, real, context)
    moved = torch.cat([(value - start[name]).flatten() for name, value in learner.state().items()]).norm()
    assert float(moved) == pytest.approx(0.05 * 1e-3, rel=1e-2)


def test_labelled_images_are_augmented_as_the_task_does(
    synthetic: ImageSet, real: ImageSet, context: Context
) -> None:
    class Augmenting(TinyLearner):
        """Notes what it was asked to change."""

        drawn: ClassVar[list[float]] = []

        def augment(
            self, images: torch.Tensor, targets: Targets, random: np.random.Generator
        ) -> tuple[torch.Tensor, Targets]:
            self.drawn.append(random.random())
            return images * 0, targets

    learner = Augmenting(steps=3)
    Dann(DannConfig(weight=0)).fit_jointly(learner, synthetic, real, context)
    assert learner.drawn == [step_generator(context.seed, "augment", step).random() for step in range(3)]
    # Black images teach the convolution's kernel nothing.
    assert torch.equal(learner.state()["body.weight"], TinyLearner().state()["body.weight"])


def test_features_move_towards_each_other(synthetic: ImageSet, real: ImageSet, tmp_path: Path) -> None:
    def gap(learner: TinyLearner) -> float:
        with torch.no_grad():
            ours, theirs = (learner.features(Frames(s).batch(range(len(s)))).mean(0) for s in (synthetic, real))
        return float((ours - theirs).norm() / (ours.norm() + theirs.norm()))

    gaps = {}
    for weight in (0.0, 1.0):
        (tmp_path / str(weight)).mkdir()
        learner = TinyLearner(steps=400, batch_size=6)
        Dann(DannConfig(weight=weight)).fit_jointly(learner, synthetic, real, Context(5, tmp_path / str(weight)))
        gaps[weight] = gap(learner)
    assert gaps[1.0] < 0.7 * gaps[0.0]


def test_same_seed_same_bytes_and_state_goes_on(synthetic: ImageSet, real: ImageSet, tmp_path: Path) -> None:
    states = []
    for run in "ab":
        (tmp_path / run).mkdir()
        torch.rand(3)
        refiner, learner = Dann(DannConfig(width=6)), TinyLearner(dropout=0.3)
        assert refiner.state_dict() == {}
        refiner.fit_jointly(learner, synthetic, real, Context(3, tmp_path / run))
        states.append({**refiner.state_dict(), **learner.state()})
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert states[0]["domain_classifier.0.weight"].shape == (6, 4)
    copy = Dann(DannConfig(width=6))
    copy.load_state_dict(refiner.state_dict())
    assert all(torch.equal(value, refiner.state_dict()[name]) for name, value in copy.state_dict().items())


def test_a_model_without_features_is_one_clear_line(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    with pytest.raises(UsageError, match="names no features"):
        Dann(DannConfig()).fit_jointly(Featureless(), synthetic, real, context)
