"""`bench selftest`: a good plug-in passes every check, and each way of breaking the contract fails its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import plugins
from bench.cli.main import main
from bench.conformance import selftest

HEAD = '''
import numpy as np, torch
from bench.contracts import PluginConfig, Refiner, World, Model
from bench.seeds import derive
from bench.training import train


class Mine(Refiner):
    """Adds a learnt level."""

    name = "mine"
    version = 1
    learnt = None

    class Config(PluginConfig):
        """Steps, and how far."""

        steps: int = 100000
        strength: float = 1.0

    def fit(self, synthetic, real, context):
        weight = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.Adam([weight], lr=0.1)
        gap = float(real.images().mean() - synthetic.images().mean()) / 255

        def step(number):
            noise = float(torch.randn(1)) / 100
            loss = (weight - gap + noise) ** 2
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
            return {"loss": loss.detach().sum()}

        class Weight:
            def state_dict(self):
                return {"weight": weight.detach().clone()}

            def load_state_dict(self, state):
                with torch.no_grad():
                    weight.copy_(state["weight"])

        train(step, steps=self.config.steps, batch_size=1, context=context,
              parts={"weight": Weight(), "optimizer": optimizer})
        self.learnt = weight.detach().clone()

    def refine(self, samples, context):
        return [self.one(s, context) for s in samples]

    def one(self, sample, context):
        noise = np.random.default_rng(derive(context.seed, sample.id)).normal(0, 1, sample.image.shape)
        level = float(self.learnt) * 255 * self.config.strength
        return np.clip(sample.image + level + noise, 0, 255).astype(np.uint8)

    def state_dict(self):
        return {"learnt": self.learnt}

    def load_state_dict(self, state):
        self.learnt = state["learnt"]
'''
RESUME = "a resumed fit ends as an uninterrupted one"
KEYS = "keys feel version, settings, seed and inputs, and no title"
IMAGES = "images keep size and type, one for each sample"
ONE = "    def one(self, sample, context):"
BROKEN = {
    "a peek at real labels": (
        "        weight =", "        real.labels(0)\n        weight =", "fits without reading a real label"),
    "another type": (".astype(np.uint8)", "", IMAGES),
    "an image too few": ("for s in samples]", "for s in samples][1:]", IMAGES),
    "a sample written to": (
        ONE, f"{ONE}\n        sample.image[0] = 0",
        "labels come through untouched"),
    "a label written to": (
        ONE, f"{ONE}\n        sample.labels.boxes[0] = 0",
        "labels come through untouched"),
    "noise by place in the batch": (
        "[self.one(s, context) for s in samples]",
        "[self.one(s, context) // np.uint8(1 + k) for k, s in enumerate(samples)]",
        "an image does not depend on its batch"),
    "a generator of its own": (
        "float(torch.randn(1)) / 100", "np.random.default_rng().normal() / 100", "fit twice leaves the same bytes"),
    "noise without a seed": (
        "np.random.default_rng(derive(context.seed, sample.id))", "np.random.default_rng()",
        "refine twice makes the same images"),
    "an optimizer that is not saved": (', "optimizer": optimizer', "", RESUME),
    "weights that are not kept": (
        '        self.learnt = state["learnt"]', "        self.learnt = state['learnt'] * 0 - 1",
        "weights go through safetensors to another instance"),
    "a setting kept out of the key": (
        "strength: float = 1.0", "strength: float = __import__('pydantic').Field(1.0, exclude=True)", KEYS),
    "a misspelt key taken": (
        '        """Steps, and how far."""', '        model_config = {"extra": "ignore"}',
        "contract: name, version, Config, needs"),
    "no docstring": ('    """Adds a learnt level."""', "", "contract: name, version, Config, needs"),
    "a need that is no label": ("    learnt = None", "    learnt = None\n    needs = frozenset({'smell'})",
                                "contract: name, version, Config, needs"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_extra_files", list(plugins._extra_files))
    plugins.scan.cache_clear()
    yield
    plugins.scan.cache_clear()


def test_a_plugin_that_keeps_its_contract_passes_everything(tmp_path: Path, capsys) -> None:
    (tmp_path / "mine.py").write_text(HEAD)
    assert main(["selftest", str(tmp_path / "mine.py")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "refiner mine" and len(out) == 13
    assert all(line.startswith("  ✔ ") for line in out[1:-1]), "\n".join(out)
    assert f"  ✔ {RESUME}: stopped after step 3 and gone on from its checkpoint" in out
    assert f"  ✔ {KEYS}: settings felt: steps, strength" in out
    assert out[-1].startswith("✔ 11 passed in ")


@pytest.mark.parametrize("what", sorted(BROKEN))
def test_each_breach_fails_its_own_check(tmp_path: Path, what: str) -> None:
    old, new, check = BROKEN[what]
    assert HEAD.count(old) == 1
    (tmp_path / "mine.py").write_text(HEAD.replace(old, new))
    results = selftest([tmp_path / "mine.py"])
    assert len(results) == 11
    failed = [result.check for result in results if result.state == "failed"]
    assert check in failed, [(result.check, result.state, result.detail) for result in results]
    assert all("\n" not in result.detail for result in results)


def test_a_world_that_ignores_its_seed_and_leaks_fails(tmp_path: Path) -> None:
    mock = Path(plugins.__file__).parent / "conformance" / "mock_world.py"
    text = mock.read_text().replace('"mock-', '"my-').replace("class MockWorld", "class MyWorld")
    good = tmp_path / "good.py"
    good.write_text(text)
    assert {result.state for result in selftest([good])} == {"passed"}
    bad = tmp_path / "bad.py"
    bad.write_text(text.replace('request.seed % 2**32, number, real, request.split == "test"', "number, real"))
    failed = {result.check for result in selftest([bad]) if result.state == "failed"}
    assert failed == {
        "another seed makes other images, or the fingerprint tells of files",
        "classes agree, and no picture is in training and test",
    }


def test_a_task_that_scores_at_random_fails(tmp_path: Path) -> None:
    mock = Path(plugins.__file__).parent / "conformance" / "mock.py"
    text = mock.read_text().replace('"mock-', '"my-')
    (tmp_path / "bad.py").write_text(
        text.replace('Score("closeness", 1 -', 'Score("closeness", np.random.default_rng().random() -')
        .replace('"closeness": True', '"closeness": True, "speed": True')
        .replace("        level = json", "        truth.labels(0)\n        level = json")
        .replace('(context.directory / "level.json")', 'data.labels(0)\n        (context.directory / "level.json")')
    )
    failed = {(result.plugin, result.check) for result in selftest([tmp_path / "bad.py"]) if result.state == "failed"}
    checks = ("predicts without reading a label", "scores are pure and of declared metrics")
    assert {("task my-task", check) for check in checks} <= failed


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["none.py"], "none.py: no such file"), (["mine.py", "--set", "stepz=3"], "--set stepz: no plug-in of"),
        (["mine.py", "--set", "steps"], "--set steps: write KEY=VALUE"), (["toml.toml"], "toml.toml:2: "),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, monkeypatch, capsys, arguments: list[str], text: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(HEAD)
    (tmp_path / "toml.toml").write_text("[a]\nb = = 1")
    assert main(["selftest", *arguments]) == 2
    error = capsys.readouterr().err
    assert text in error and len(error.splitlines()) == 1


def test_settings_that_a_plugin_refuses_are_one_failed_check(tmp_path: Path, capsys) -> None:
    (tmp_path / "mine.py").write_text(HEAD)
    assert main(["selftest", str(tmp_path / "mine.py"), "--set", "steps=many", "--json"]) == 2
    (result,) = json.loads(capsys.readouterr().out)
    assert result["state"] == "failed" and "steps" in result["detail"]
