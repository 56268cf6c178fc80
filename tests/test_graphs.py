from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench.graphs import SWITCH, WARM, Replayed
from bench.rates import adam, set_rate

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_on_a_cpu_every_step_is_computed_with_its_own_inputs_and_variant() -> None:
    seen = []

    def compute(inputs: dict[str, Tensor], variant: object) -> dict[str, Tensor]:
        seen.append((variant, float(inputs["x"])))
        return {"twice": 2 * inputs["x"]}

    replayed = Replayed(compute, "cpu")
    results = [float(replayed({"x": torch.tensor(float(k))}, k % 2 == 0)["twice"]) for k in range(WARM + 3)]
    assert results == [2.0 * k for k in range(WARM + 3)]
    assert seen == [(k % 2 == 0, float(k)) for k in range(WARM + 3)]


def test_a_rate_is_a_number_unless_a_captured_step_reads_it() -> None:
    parameters = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))]
    optimizer = torch.optim.SGD([{"params": [p], "scale": scale} for p, scale in zip(parameters, (1, 10), strict=True)])
    set_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 2.5]
    for group in optimizer.param_groups:
        group["capturable"] = True
    set_rate(optimizer, 0.5)
    kept = [group["lr"] for group in optimizer.param_groups]
    set_rate(optimizer, 0.125)
    assert [float(rate) for rate in kept] == [0.125, 1.25]  # written into the same memory
    assert all(isinstance(rate, Tensor) for rate in kept)


def test_adam_on_a_cpu_is_torchs_fused_one() -> None:
    results = []
    for make in (
        lambda parameters: adam(parameters, 0.1, (0.5, 0.9), "cpu"),
        lambda parameters: torch.optim.Adam(parameters, 0.1, (0.5, 0.9), fused=True),
    ):
        parameter = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
        optimizer = make([parameter])
        for _ in range(3):
            optimizer.zero_grad()
            parameter.square().sum().backward()
            optimizer.step()
        results.append(parameter.detach().clone())
    assert torch.equal(*results)


@pytest.mark.gpu
@cuda
@pytest.mark.parametrize("name", ["cyclegan", "vtr", "cut", "t2net", "pixelda"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_captured_steps_are_those_computed_as_usual(
    name: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.drawn import drawn_set
    from benchmarks.pairs import Setting, new_context, ours

    synthetic, real = (drawn_set(tmp_path, domain, 8, 64) for domain in ("synthetic", "real"))
    losses = []
    for switch in ("0", "1"):
        monkeypatch.setenv(SWITCH, switch)
        context = new_context(tmp_path / switch, "cuda", precision)
        step = ours(Setting(name, 64, 2, small=True), synthetic, real, context)
        losses.append([{key: float(value) for key, value in step(index).items()} for index in range(18)])
    tolerance = 0.02 if precision == "fp32" else 0.1  # sums of a GPU differ from run to run, and training amplifies it
    for index, (usual, captured) in enumerate(zip(*losses, strict=True)):
        for key, value in usual.items():
            assert captured[key] == pytest.approx(value, rel=tolerance, abs=tolerance), f"step {index}: {key}"


@pytest.mark.gpu
@cuda
def test_a_step_that_the_host_must_wait_for_is_computed_as_usual() -> None:
    replayed = Replayed(lambda inputs, _: {"x": inputs["x"] * float(inputs["x"])}, "cuda")
    for _ in range(WARM):
        replayed({"x": torch.full((), 3.0)})
    with pytest.warns(UserWarning, match="cannot be captured on CUDA"):
        losses = replayed({"x": torch.full((), 4.0)})
    assert float(losses["x"]) == 16.0
    assert float(replayed({"x": torch.full((), 5.0)})["x"]) == 25.0
