"""The step against a plain transcription of the paper's losses, and what each half of it may change."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from fake_learner import FakeLearner
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contracts import Context
from refiners.adaptation import AdaptationBatch
from refiners.pixelda import PixelDaConfig
from refiners.pixelda_step import PixelDaStep, staircase, untracked

TINY: dict[str, Any] = {"ngf": 3, "ndf": 3, "n_blocks": 1, "noise_dim": 2, "keep": 1.0, "discriminator_noise": 0.0}
TARGETS = {"classes": torch.tensor([0, 1, 2, 1])}


def batch(channels: int = 3) -> AdaptationBatch:
    torch.manual_seed(5)
    mask = (torch.rand(4, 1, 8, 8) < 0.5).float()
    images = torch.rand(2, 4, channels, 8, 8) * 2 - 1
    return AdaptationBatch(images[0], images[1], mask, (0, 1, 2, 3))


def make(context: Context, learner: FakeLearner | None, channels: int = 3, **settings: Any) -> PixelDaStep:
    return PixelDaStep(PixelDaConfig(**TINY | settings), context, channels, (8, 8), learner)


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("channels", [3, 4])
def test_losses_are_the_papers(channels: int, context: Context) -> None:
    learner = FakeLearner(channels)
    step = make(context, learner, channels, learning_rate=1e-9)
    learner.steps = 10**9
    data, network = batch(channels), copy.deepcopy(learner.network)
    g, d = copy.deepcopy(step.generator), copy.deepcopy(step.discriminator)

    torch.manual_seed(3)
    z = torch.rand(4, 2) * 2 - 1
    torch.manual_seed(3)
    learner.schedule = lambda optimizer, i: [group.update(lr=0.0) for group in optimizer.param_groups]  # type: ignore[assignment, method-assign]
    losses = step(0, data, TARGETS)

    with torch.no_grad():
        adapted = g(data.source, z)
        real, fake = torch.sigmoid(d(data.target)), torch.sigmoid(d(adapted))
        assert float(losses["domain"]) == pytest.approx(float(-real.log().mean() - (1 - fake).log().mean()), rel=1e-4)
        assert float(losses["style"]) == pytest.approx(float(-fake.log().mean()), rel=1e-4)
        pooled = {
            name: F.adaptive_avg_pool2d(network["norm"](x), 4).flatten(1)
            for name, x in (("source", data.source), ("adapted", adapted))
        }
        for name, layer, found in (
            ("source", "private", "task_source"), ("adapted", "shared", "task_adapted"),
            ("adapted", "shared", "task_generator"),
        ):
            outputs = network[layer](pooled[name])
            chosen = outputs.softmax(1)[range(4), TARGETS["classes"]]
            expected = -chosen.log().mean() + outputs.square().mean() * 0.01
            assert float(losses[found]) == pytest.approx(float(expected), rel=1e-4)
        change = (data.source - adapted) * data.mask
        k = channels * 64
        expected = torch.stack([(c**2).sum() / k - c.sum() ** 2 / k**2 for c in change]).mean()
        assert float(losses["similarity"]) == pytest.approx(float(expected), rel=1e-4)


    def test_the_generators_gradient_is_that_of_the_weighted_sum(context: Context) -> None:
        learner = FakeLearner()
        weights = {"style_weight": 0.7, "similarity_weight": 1.3, "task_in_generator_weight": 0.4}
        step = make(context, learner, **weights, gradient_clip=0.0)
        data = batch()
        g, d, t = (copy.deepcopy(x) for x in (step.generator, step.discriminator, learner.network))
        z = torch.rand(4, 2) * 2 - 1
        step.generator_step(data, step.generator(data.source, z), TARGETS)
        adapted = g(data.source, z)
        change = ((data.source - adapted) * data.mask).flatten(1)
        outputs = t["shared"](F.adaptive_avg_pool2d(t["norm"](adapted), 4).flatten(1))
        loss = 0.7 * F.softplus(-d(adapted)).mean() + 1.3 * change.var(1, correction=0).mean()
        loss = loss + 0.4 * (F.cross_entropy(outputs, TARGETS["classes"]) + 0.01 * outputs.square().mean())
        loss.backward()
        for ours, theirs in zip(step.generator.parameters(), g.parameters(), strict=True):
            assert ours.grad is not None and theirs.grad is not None
            assert torch.allclose(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("task_optimizer", ["task", "paper"])
def test_first_discriminator_and_task_then_generator(task_optimizer: str, context: Context) -> None:
    learner = FakeLearner()
    step = make(context, learner, task_optimizer=task_optimizer)
    learner.schedule(step._optimize_task or step._optimize_judges, 0)
    data, g = batch(), step.generator
    adapted = g(data.source, torch.rand(4, 2))
    before = [snapshot(x) for x in (g, step.discriminator, learner.network)]
    step.discriminator_step(data, adapted.detach(), TARGETS)
    assert not changed(g, before[0])
    assert changed(step.discriminator, before[1]) == {name for name, _ in step.discriminator.named_parameters()}
    assert changed(learner.network, before[2]) >= {name for name, _ in learner.network.named_parameters()}
    before = [snapshot(x) for x in (g, step.discriminator, learner.network)]
    step.generator_step(data, adapted, TARGETS)
    assert changed(g, before[0]) >= {"head.weight", "stem.0.weight", "noise.0.weight"}
    assert not changed(step.discriminator, before[1])
    assert not changed(learner.network, before[2])  # its running statistics stay too


@pytest.mark.parametrize(
    ("settings", "gone"),
    [
        ({}, set()),
        ({"task_on_source": False}, {"task_source"}),
        ({"task_on_adapted": False}, {"task_adapted", "task_generator"}),
        ({"task_in_generator_weight": 0.0}, {"task_generator"}),
        ({"similarity_weight": 0.0}, {"similarity"}),
    ],
)
def test_an_ablation_removes_its_term(settings: dict[str, Any], gone: set[str], context: Context) -> None:
    learner = FakeLearner()
    step = make(context, learner, **settings)
    before = snapshot(learner.network)
    losses = step(0, batch(), TARGETS)
    terms = {"domain", "style", "similarity", "task_source", "task_adapted", "task_generator"}
    assert set(losses) == terms - gone
    untouched = {"private.weight"} if "task_source" in gone else {"shared.weight"} if "task_adapted" in gone else set()
    moved = changed(learner.network, before) & {"private.weight", "shared.weight"}
    assert moved == {"private.weight", "shared.weight"} - untouched
    assert learner.calls.count(True) == ("task_source" not in gone)
    assert learner.calls.count(False) == ("task_adapted" not in gone) + ("task_generator" not in gone)


def test_without_a_learner_there_is_no_task(context: Context) -> None:
    assert set(make(context, None)(0, batch())) == {"domain", "style", "similarity"}
    assert "task" not in make(context, None).parts()


def test_weights_of_0_take_their_effect_away(context: Context) -> None:
    weights = {"style_weight": 0.0, "similarity_weight": 0.0, "task_in_generator_weight": 0.0, "weight_decay": 0.0}
    step = make(context, FakeLearner(), **weights)
    before = snapshot(step.generator)
    step(0, batch(), TARGETS)
    assert not changed(step.generator, before) & {name for name, _ in step.generator.named_parameters()}
    step = make(context, None, domain_weight=0.0, weight_decay=0.0)
    before = snapshot(step.discriminator)
    step(0, batch())
    assert not changed(step.discriminator, before)


def test_the_published_reduction_is_2_b_times_the_papers(context: Context) -> None:
    torch.manual_seed(3)
    first = make(context, None)(0, batch())["similarity"]
    torch.manual_seed(3)
    second = make(context, None, similarity_reduction="published")(0, batch())["similarity"]
    assert float(second) == pytest.approx(2 * 4 * float(first), rel=1e-2)


def test_running_statistics_are_those_of_adapted_images(context: Context) -> None:
    learner = FakeLearner()
    step = make(context, learner)
    data = batch()
    adapted = data.target * 0.5 + 0.4
    step.discriminator_step(data, adapted, TARGETS)
    expected = 0.1 * adapted.mean((0, 2, 3))
    assert torch.allclose(learner.network["norm"].running_mean, expected, atol=1e-6)
    alone = FakeLearner()
    make(context, alone, task_on_adapted=False).discriminator_step(data, adapted, TARGETS)
    assert torch.allclose(alone.network["norm"].running_mean, 0.1 * data.source.mean((0, 2, 3)), atol=1e-6)


def test_untracked_puts_things_back() -> None:
    layer = nn.BatchNorm2d(2)
    frozen = nn.BatchNorm2d(2, track_running_stats=False)
    with untracked(nn.ModuleList([layer, frozen])):
        layer(torch.rand(3, 2, 4, 4))
    assert layer.track_running_stats and not frozen.track_running_stats
    assert torch.equal(layer.running_mean, torch.zeros(2))
    layer(torch.rand(3, 2, 4, 4))
    assert layer.num_batches_tracked == 1


def test_the_learning_rate_falls_in_a_staircase(context: Context) -> None:
    assert [staircase(step, 0.5, 3) for step in (0, 2, 3, 5, 6)] == [1, 1, 0.5, 0.5, 0.25]
    learner = FakeLearner()
    step = make(context, learner, learning_rate=1e-2, decay_rate=0.5, decay_steps=2, discriminator_learning_rate=1e-3)
    for i in range(3):
        step(i, batch(), TARGETS)
    assert {group["lr"] for group in step._optimize_generator.param_groups} == {5e-3}
    assert {group["lr"] for group in step._optimize_judges.param_groups} == {5e-4}
    assert learner.scheduled == [0, 1, 2]


def test_gradients_are_clipped(context: Context) -> None:
    step = make(context, None, style_weight=1e6, gradient_clip=0.5)
    step(0, batch())
    gradients = [p.grad.norm() for p in step.generator.parameters() if p.grad is not None]
    assert float(torch.stack(gradients).norm()) == pytest.approx(0.5, rel=1e-3)
