"""Plug-ins from outside the repository: files, entry points, and the ways in which they can be broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import plugins
from bench.cli.main import main
from bench.errors import UsageError

REFINER = '''
"""A refiner of somebody else's."""
from bench.contracts import Refiner


class Outside(Refiner):
    """Returns images as they are."""

    name = "{name}"
    version = 3
    trained = False

    def refine(self, samples, context):
        return [sample.image.copy() for sample in samples]
'''


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test makes known is forgotten after it."""
    monkeypatch.setattr(plugins, "_extra_files", list(plugins._extra_files))
    plugins.scan.cache_clear()
    yield
    plugins.scan.cache_clear()


def test_a_file_joins_a_run_as_an_arm(toy_suite: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "outside.py"
    file.write_text(REFINER.format(name="outside"))
    toy_suite.write_text(toy_suite.read_text().replace('"real",', '"refined(outside)", "real",'))
    toy = str(Path(__file__).parent / "toy.py")
    more = ["--plugin", toy, "--plugin", str(file), "--store", str(tmp_path / "store")]
    assert main(["plan", "--suite", str(toy_suite), *more]) == 0
    assert "refine with outside #1" in capsys.readouterr().out
    only = ["--only", "refiner=outside", "--only", "arm=synthetic", "--only", "arm=refined(outside)"]
    arguments = ["run", "--suite", str(toy_suite), *more, *only, "--replicates", "1", "--workers", "1"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "refined(outside)" in (tmp_path / "out" / "table.md").read_text()
    assert main(["list", *more[:4]]) == 0
    assert "outside          Returns images as they are." in capsys.readouterr().out


def test_files_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(REFINER.format(name=f"outside-{name}"))
        plugins.add_file(tmp_path / name / "mine.py")
    for name in ("one", "two"):
        assert plugins.find("refiner", f"outside-{name}").load().name == f"outside-{name}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", "bad.py:1: "),
        ("x = 1\n", "no plug-in in it: a class that sets name = '...' and version = 1"),
        ('class A:\n    name = "a"\n', "no plug-in in it"),
        ("\x00", "bad.py"),
    ],
)
def test_a_file_that_holds_no_plugin_is_one_line(tmp_path: Path, capsys, text: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    assert main(["list", "--plugin", str(tmp_path / "bad.py")]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1


def test_a_file_that_cannot_be_imported_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import no_such_package_\n" + REFINER.format(name="bad"))
    plugins.add_file(tmp_path / "bad.py")
    with pytest.raises(UsageError, match=r"bad.py: cannot be imported \(ModuleNotFoundError: No module named"):
        plugins.find("refiner", "bad").load()


def installed(root: Path, module: str, target: str) -> None:
    """A package with an entry point, as an installer leaves it."""
    info = root / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[bench.refiners]\n{module} = {module}:{target}\n")


def test_an_installed_package_offers_its_plugins_by_entry_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "offered_refiner.py").write_text(REFINER.format(name="offered"))
    installed(tmp_path, "offered_refiner", "Outside")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.scan.cache_clear()
    found = plugins.find("refiner", "offered")
    assert (found.version, found.load().name) == (3, "offered")
    sys.modules.pop("offered_refiner")


def test_a_broken_installed_package_is_left_out_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, "broken_offer", "Nothing")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.scan.cache_clear()
    with pytest.warns(UserWarning, match="plug-in 'broken_offer' of broken_offer:Nothing is left out: ModuleNotFound"):
        assert "identity" in plugins.names("refiner")
