"""`bench doctor`: facts, and a remark for everything that is missing or slow."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
import torch

from bench.cli import doctor
from bench.cli.main import main


def test_report_for_people_and_machines(tmp_path, capsys):
    assert main(["doctor", "--json", "--store", str(tmp_path / "not" / "yet")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["devices"]["cores"] >= 1 and len(found["devices"]["cuda"]) == torch.cuda.device_count()
    assert found["disk"]["free_gib"] > 0 and found["disk"]["writable"]
    assert {"coco", "vending"} <= {plugin["name"] for plugin in found["plugins"] if plugin["kind"] == "world"}
    text = doctor.as_text(found)
    assert f"{found['disk']['free_gib']} GiB free" in text and "worlds" in text
    assert all(remark in text for remark in found["remarks"])


VERSIONS: dict[str, str | None] = dict.fromkeys(doctor.PACKAGES, "1.0") | {"python": "3.12.0", "ultralytics": None}
GPU = {"name": "GPU", "memory_gib": 80.0, "bf16": True}
DEVICES = {"cores": 8, "memory_gib": 32.0, "cuda": [GPU]}
DISK = {"store": "runs/store", "free_gib": 100.0, "writable": True}


@pytest.mark.parametrize(
    ("versions", "devices", "disk", "plugins", "expected"),
    [
        ({}, {}, {}, [], None),
        ({"scipy": None}, {}, {}, [], "scipy is not installed"),
        ({"mitsuba": None}, {}, {}, [], 'extra "render" is not installed; python -m pip install "refiner-bench['),
        ({"ultralytics-opencv-headless": None}, {}, {}, [], 'extra "yolo" is not installed'),
        ({"ray": None}, {}, {}, [], None),
        ({"ultralytics": "8.4"}, {}, {}, [], "share one folder"),
        ({}, {"cuda": []}, {}, [], "no CUDA device"),
        ({}, {"cuda": [GPU | {"bf16": False}]}, {}, [], "without bf16"),
        ({}, {"cores": 1}, {}, [], "one core"),
        ({}, {"memory_gib": 3.5}, {}, [], "3.5 GiB of memory"),
        ({}, {"memory_gib": None}, {}, [], None),
        ({}, {}, {"free_gib": 1.2}, [], "1.2 GiB free at runs/store"),
        ({}, {}, {"writable": False}, [], "cannot be written"),
        ({}, {}, {}, [{"kind": "world", "name": "x", "skip": "no y"}], "world 'x' will be skipped: no y"),
        ({}, {}, {}, [{"kind": "world", "name": "x", "skip": None}], None),
    ],
)
def test_each_lack_has_its_remark(versions, devices, disk, plugins, expected):
    found = doctor.remarks(VERSIONS | versions, DEVICES | devices, DISK | disk, plugins)
    if expected is None:
        assert found == []
    else:
        assert len(found) == 1 and expected in found[0]


def test_the_other_ultralytics_stands_in():
    versions = VERSIONS | {"ultralytics-opencv-headless": None, "ultralytics": "8.4"}
    assert doctor.remarks(versions, DEVICES, DISK, []) == []


def test_a_containers_limit_counts(tmp_path):
    machine = doctor.memory_gib(tmp_path / "none")
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "small").write_text(str(2**29))
    assert doctor.memory_gib(tmp_path / "max") == machine
    assert doctor.memory_gib(tmp_path / "small") == 0.5


BROKEN = '''
from bench.contracts import Refiner
import a_package_that_nobody_has
class Mine(Refiner):
    """Mine."""
    name = "mine-broken"
    version = 1
    def refine(self, samples, context):
        return []
'''


def test_a_plugin_that_cannot_be_loaded_is_reported(tmp_path, capsys, monkeypatch):
    from bench import plugins

    monkeypatch.setattr(plugins, "_extra_files", [])
    Path(tmp_path / "mine.py").write_text(BROKEN)
    assert main(["doctor", "--plugin", str(tmp_path / "mine.py")]) == 0
    out = capsys.readouterr().out
    plugins.scan.cache_clear()
    assert "refiner 'mine-broken' will be skipped: cannot be loaded: ModuleNotFoundError: No module named" in out
