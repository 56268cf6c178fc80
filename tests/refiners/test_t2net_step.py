"""T2Net's step against the published order of three backward passes, and what each loss reaches."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.contracts import Context
from bench.errors import UsageError
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.learning import Learner
from bench.samples import ImageSet, Labels
from refiners.t2net import T2NetConfig
from refiners.t2net_step import T2NetBatch, T2NetStep, depth_maps, learning_rate_factor
from tasks.depth.t2net_unet import T2NetUNetModel
from tasks.depth.task import Depth
from tasks.depth.unet_depth import UNetDepth

SIZE = (32, 48)
SMALL: dict[str, Any] = {"width": 4, "n_blocks": 1, "ndf": 4, "feature_width": 8}
WEIGHTS = (
    "lambda_image_adversarial", "lambda_reconstruction", "lambda_feature_adversarial", "lambda_task",
    "lambda_smoothness",
)  # fmt: skip


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """Four pictures with depth."""
    root: Path = tmp_path_factory.mktemp("rooms")
    writer = ImageSetWriter(root, domain="synthetic", kind="rendered", class_names=["room"], labels=["depth"])
    random = np.random.default_rng(0)
    for index in range(4):
        image = random.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
        writer.add(str(index), image, Labels(depth=random.uniform(1, 9, SIZE).astype(np.float32)))
    writer.close()
    return open_image_set(root)


def learner(rooms: ImageSet, directory: Path, model: str = "t2net-unet", **settings: Any) -> Learner:
    task = Depth(Depth.Config(**{"steps": 20, "batch_size": 2, "gradient_clip": 0.0} | settings))
    if model == "t2net-unet":
        return task.learner(T2NetUNetModel(T2NetUNetModel.Config(width=2)), rooms, Context(5, directory))
    unet = UNetDepth(UNetDepth.Config(decoder_channels=(8, 8, 8, 8, 8)))
    return task.learner(unet, rooms, Context(5, directory))


def batch(seed: int = 0) -> T2NetBatch:
    random = np.random.default_rng(seed)
    images = [torch.from_numpy(random.uniform(-1, 1, (2, 3, *SIZE)).astype(np.float32)) for _ in range(2)]
    return T2NetBatch(*images, {"depth": torch.from_numpy(random.uniform(1, 9, (2, *SIZE)).astype(np.float32))})


def make(rooms: ImageSet, directory: Path, model: str = "t2net-unet", **settings: Any) -> tuple[T2NetStep, Learner]:
    lent = learner(rooms, directory, model)
    config = T2NetConfig(**SMALL | settings)
    return T2NetStep(config, Context(5, directory), 20, lent, batch().synthetic[:1]), lent


def only(name: str) -> dict[str, float]:
    return {weight: 1.0 if weight == name else 0.0 for weight in WEIGHTS}


def changed(before: dict[str, Tensor], module: nn.Module) -> bool:
    return any(not torch.equal(before[name], value) for name, value in module.named_parameters())


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


@pytest.mark.parametrize(
    ("weight", "translator", "task"),
    [
        ("lambda_image_adversarial", True, False), ("lambda_reconstruction", True, False),
        ("lambda_feature_adversarial", True, True), ("lambda_task", True, True), ("lambda_smoothness", False, True),
    ],
)  # fmt: skip
def test_what_each_loss_trains(rooms: ImageSet, tmp_path: Path, weight: str, translator: bool, task: bool) -> None:
    """(a) the translator alone, (b) both, end to end, (c) the depth network alone."""
    step, lent = make(rooms, tmp_path, task_optimizer="paper", **only(weight))
    first, second = snapshot(step.translator), snapshot(lent.network)
    losses = step(1, batch())  # no step of the discriminators
    assert changed(first, step.translator) == translator
    assert changed(second, lent.network) == task
    shown = {"discriminator", "feature_discriminator", "total"}
    assert len(set(losses) - shown) == 1


def test_equal_to_the_published_three_backward_passes(rooms: ImageSet, tmp_path: Path) -> None:
    """Written out: three losses go backward one after the other, everybody else frozen; then the discriminators."""
    step, lent = make(rooms, tmp_path, task_optimizer="paper")
    f, g, d_img = (copy.deepcopy(module) for module in (lent.network, step.translator, step.judge))
    d_feat = copy.deepcopy(step.feature_judge)
    assert isinstance(d_feat, nn.Module)
    assert step.feature_judge is not None
    starts = {m: copy.deepcopy(m) for m in (step.translator, lent.network, step.judge, step.feature_judge)}
    adam_g = torch.optim.Adam(g.parameters(), 5e-5, (0.5, 0.9))
    adam_f = torch.optim.Adam(f.parameters(), 1e-4, (0.95, 0.999))
    adam_d = torch.optim.Adam([*d_img.parameters(), *d_feat.parameters()], 5e-5, (0.5, 0.9))
    one, mse, l1 = torch.ones(()), nn.MSELoss(), nn.L1Loss()

    def against(logits: Tensor, value: float) -> Tensor:
        return mse(logits, (one * value).expand_as(logits))

    def freeze(*modules: nn.Module) -> None:
        for module in (f, g, d_img, d_feat):
            module.requires_grad_(module not in modules)

    for i in range(7):
        data = batch(i)
        losses = step(i, data)

        freeze(f, d_img, d_feat)
        made, again = g(torch.cat([data.synthetic, data.real])).chunk(2)
        adversarial, reconstruction = against(d_img(made), 1), l1(again, data.real)
        (adversarial * 1 + reconstruction * 100).backward(retain_graph=True)
        freeze(d_img, d_feat)
        maps = f.encode(made)
        feature = against(d_feat(maps[-1]), 1)
        targets = data.targets["depth"][:, None] / 5 - 1 if data.targets else one
        pairs = zip(f.decode(maps), (8, 4, 2, 1), strict=True)
        task = sum(l1(depth, nn.functional.avg_pool2d(targets, k)) for depth, k in pairs)
        (feature * 0.1 + task * 100).backward()
        freeze(g, d_img, d_feat)
        real_maps = f.encode(data.real)
        smooth = torch.zeros(())
        for scale, depth in enumerate(f.decode(real_maps)):
            small = nn.functional.interpolate(data.real, depth.shape[2:], mode="area")
            x, y = depth[..., 1:] - depth[..., :-1], depth[..., 1:, :] - depth[..., :-1, :]
            u, v = small[..., 1:] - small[..., :-1], small[..., 1:, :] - small[..., :-1, :]
            x, y = (d.abs() * (-edge.abs().mean(1, True)).exp() for d, edge in ((x, u), (y, v)))
            smooth = smooth + (x.mean() + y.mean()) / 2**scale
        (smooth * 0.1).backward()
        factor = min(1.0, (20 - i) / 12)
        for adam, rate in ((adam_g, 5e-5), (adam_f, 1e-4), (adam_d, 5e-5)):
            adam.param_groups[0]["lr"] = rate * factor
        adam_g.step()
        adam_f.step()
        adam_g.zero_grad()
        adam_f.zero_grad()

        freeze(f, g)
        adam_d.zero_grad()
        judged = 0.5 * (against(d_img(data.real), 1) + against(d_img(made.detach()), 0))  # the pool is not full yet
        judged_features = 0.5 * (against(d_feat(real_maps[-1].detach()), 1) + against(d_feat(maps[-1].detach()), 0))
        (judged + judged_features).backward()
        if i % 5 == 0:
            adam_d.step()
            for parameter in d_feat.parameters():
                parameter.data.clamp_(-0.01, 0.01)

        written = {
            "adversarial": adversarial, "reconstruction": reconstruction, "feature_adversarial": feature, "task": task,
            "smoothness": smooth, "discriminator": judged, "feature_discriminator": judged_features,
        }
        assert set(losses) == {*written, "total"}
        for name, value in written.items():
            assert isinstance(value, Tensor)
            assert float(losses[name]) == pytest.approx(float(value.detach()), rel=1e-3), (i, name)
        total = adversarial + 100 * reconstruction + 0.1 * feature + 100 * task + 0.1 * smooth
        assert isinstance(total, Tensor)
        assert float(losses["total"]) == pytest.approx(float(total.detach()), rel=1e-4)
    for ours, theirs in ((step.translator, g), (lent.network, f), (step.judge, d_img), (step.feature_judge, d_feat)):
        # Adam makes whole steps of the rounding of a gradient that is 0 in theory (a bias in front of a normalisation).
        mine, wanted, first = (
            torch.cat([p.detach().flatten() for name, p in module.named_parameters() if not name.endswith("up.bias")])
            for module in (ours, theirs, starts[ours])
        )
        assert (mine - wanted).abs().mean() < 0.01 * (wanted - first).abs().mean()
        for (name, ran), expected in zip(ours.named_buffers(), theirs.buffers(), strict=True):
            torch.testing.assert_close(ran, expected, rtol=1e-2, atol=1e-2, msg=name)


def test_discriminators_step_every_fifth_time_and_features_are_clamped(rooms: ImageSet, tmp_path: Path) -> None:
    step, _ = make(rooms, tmp_path)
    assert step.feature_judge is not None
    moved = []
    for i in range(11):
        image, feature = snapshot(step.judge), snapshot(step.feature_judge)
        step(i, batch(i))
        assert changed(image, step.judge) == changed(feature, step.feature_judge)
        moved.append(changed(image, step.judge))
    assert [i for i, active in enumerate(moved) if active] == [0, 5, 10]
    largest = max(float(parameter.detach().abs().max()) for parameter in step.feature_judge.parameters())
    assert largest == pytest.approx(0.01)
    assert max(float(parameter.detach().abs().max()) for parameter in step.judge.parameters()) > 0.05


def test_discriminators_may_step_every_time_and_unclamped(rooms: ImageSet, tmp_path: Path) -> None:
    step, _ = make(rooms, tmp_path, discriminator_every=1, feature_clamp=0.0)
    assert step.feature_judge is not None
    for i in range(3):
        before = snapshot(step.judge)
        step(i, batch(i))
        assert changed(before, step.judge)
    assert max(float(parameter.detach().abs().max()) for parameter in step.feature_judge.parameters()) > 0.05


def test_the_feature_discriminator_has_the_size_of_the_features(rooms: ImageSet, tmp_path: Path) -> None:
    step, _ = make(rooms, tmp_path)
    assert step.feature_judge is not None
    assert step.feature_judge.layers[0].in_features == 16 * (SIZE[0] // 16) * (SIZE[1] // 16)
    other, _ = make(rooms, tmp_path, "unet-depth")
    assert other.feature_judge is not None
    other(0, batch())


def test_the_task_optimizer_is_that_of_the_other_arms(rooms: ImageSet, tmp_path: Path) -> None:
    """With the task's loss alone, f takes the very step that it takes on the same images elsewhere."""
    for kind in ("adamw", "sgd"):
        elsewhere = learner(rooms, tmp_path, optimizer=kind, gradient_clip=0.5)
        lent = learner(rooms, tmp_path, optimizer=kind, gradient_clip=0.5)
        config = T2NetConfig(**SMALL | only("lambda_task") | {"lambda_task": 100.0, "residual": True})
        step, data = T2NetStep(config, Context(5, tmp_path), 20, lent), batch()
        step(0, data)  # a residual translator is the identity at first

        assert data.targets is not None
        optimizer = elsewhere.optimizer()
        elsewhere.schedule(optimizer, 0)
        elsewhere.network.train()
        torch.stack(list(elsewhere.losses(elsewhere.outputs(data.synthetic), data.targets).values())).sum().backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(elsewhere.network.parameters(), 0.5)
        assert norm > 0.5
        optimizer.step()
        for (name, mine), wanted in zip(lent.network.named_parameters(), elsewhere.network.parameters(), strict=True):
            if not name.endswith("up.bias"):
                torch.testing.assert_close(mine, wanted, rtol=1e-4, atol=1e-5, msg=f"{kind} {name}")


def test_the_task_schedule_spans_the_run(rooms: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lent = learner(rooms, tmp_path)
    seen: list[int] = []
    monkeypatch.setattr(lent, "schedule", lambda optimizer, step: seen.append(step))
    step = T2NetStep(T2NetConfig(**SMALL), Context(5, tmp_path), 5, lent, batch().synthetic[:1])
    for i in range(5):
        step(i, batch(i))
    assert seen == [0, 4, 8, 12, 16]


def test_without_a_learner_there_are_two_losses(tmp_path: Path) -> None:
    step = T2NetStep(T2NetConfig(**SMALL), Context(5, tmp_path), 20)
    assert set(step(0, batch())) == {"adversarial", "reconstruction", "total", "discriminator"}
    assert step.feature_judge is None


@pytest.mark.parametrize("left_out", WEIGHTS)
def test_each_loss_can_be_left_out(rooms: ImageSet, tmp_path: Path, left_out: str) -> None:
    step, lent = make(rooms, tmp_path, **{left_out: 0.0})
    name = left_out.removeprefix("lambda_").replace("image_", "")
    losses = step(0, batch())
    assert name not in losses
    others = {"adversarial", "reconstruction", "feature_adversarial", "task", "smoothness"} - {name}
    assert others <= set(losses)
    # Real images enter the running statistics of f in any case.
    assert int(lent.network.stem_norm.num_batches_tracked) == 2  # type: ignore[operator, union-attr]


def test_other_sensors_reach_the_task_network_untouched(tmp_path: Path) -> None:
    class Recorder(Learner):
        """Keeps what it is shown."""

        def __init__(self) -> None:
            self.network, self.steps, self.batch_size, self.gradient_clip = nn.Conv2d(4, 1, 1), 5, 2, 0.0
            self.seen: list[Tensor] = []

        def outputs(self, images: Tensor, source: bool = False) -> Tensor:
            self.seen.append(images.detach())
            out: Tensor = self.network(images)
            return out

        def losses(self, outputs: Any, targets: Any) -> dict[str, Tensor]:
            return {"task": outputs.square().mean()}

        def features(self, images: Tensor) -> Tensor:
            return self.outputs(images)

        def optimizer(self, extra: Any = ()) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.network.parameters(), 0.1)

        def schedule(self, optimizer: torch.optim.Optimizer, step: int) -> None: ...

        def targets(self, data: ImageSet) -> dict[str, Tensor]:
            return {}

        def state(self) -> dict[str, Tensor]:
            return dict(self.network.state_dict())

    recorder, images = Recorder(), torch.rand(2, 4, 32, 32)
    step = T2NetStep(T2NetConfig(**SMALL | {"lambda_feature_adversarial": 0}), Context(5, tmp_path), 5, recorder)
    step(0, T2NetBatch(images, images, {}))
    translated, real = recorder.seen
    assert torch.equal(translated[:, 3], images[:, 3])
    assert not torch.equal(translated[:, :3], images[:, :3])
    assert torch.equal(real, images)


def test_only_depth_maps_can_be_smoothed() -> None:
    one = torch.zeros(2, 1, 4, 4)
    assert len(depth_maps(one)) == 1
    assert len(depth_maps([one, one])) == 2
    for wrong in (torch.zeros(2, 5), torch.zeros(2, 3, 4, 4), {"depth": one}):
        with pytest.raises(UsageError, match="set lambda_smoothness = 0"):
            depth_maps(wrong)


def test_the_learning_rate_never_falls_below_0() -> None:
    factors = [learning_rate_factor(step, 100, 0.4, 0.8) for step in range(100)]
    assert factors[:41] == [1.0] * 41
    assert factors[60] == pytest.approx(0.5)
    assert factors[80:] == [0.0] * 20  # the published schedule goes on to -0.2
    assert 0 < learning_rate_factor(99, 100, 0.4, 1.0) < 0.02
    assert learning_rate_factor(99, 100, 1.0, 1.0) == 1
