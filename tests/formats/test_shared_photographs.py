"""Traffic lights and vehicles, imported as docs/lights-vehicles-digits.md says, where the shared data is there."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path

import pytest
from folders import shared_data

from bench.cli.main import main
from bench.formats.layout import open_image_set
from bench.samples import ImageSet

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lights-vehicles-digits.md"
IMPORT = "python -m bench data import --format csv "
SETS = ("synthetic", "real-train", "real-test")


def imported(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, ImageSet]:
    """Run the page's own import commands for a data set in ``folder``."""
    source = shared_data() / name
    if not source.is_dir():
        pytest.skip(f"no shared/data/{name} beside the checkout, nor in $BENCH_SHARED_DATA")
    monkeypatch.chdir(folder)
    (folder / name).symlink_to(source)
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith(f"{IMPORT}{name} ")]
    assert len(lines) == 3
    for line in lines:
        assert main(shlex.split(line)[3:]) == 0
    return {each: open_image_set(folder / each) for each in SETS}


def classes(images: ImageSet) -> dict[str, int]:
    return dict(Counter(images.class_names[label] for sample in images for label in sample.labels.classes))


def test_traffic_lights_are_split_by_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its README counts 177/130/196/117 renders; 14 of them, and some photographs, are the same picture twice."""
    sets = imported("traffic_lights", tmp_path, monkeypatch)
    assert [len(sets[each]) for each in SETS] == [606, 263, 160]
    assert classes(sets["synthetic"]) == {"red": 169, "yellow": 128, "green": 194, "none": 115}
    assert classes(sets["real-test"]) == {"red": 55, "yellow": 28, "green": 36, "none": 41}
    train, test = ({record.group for record in sets[each].records} for each in SETS[1:])
    assert not train & test and len(test) == 6 and all(group.startswith("1510337") for group in test)
    assert main(["data", "verify", "real-train", "real-test"]) == 0, "no picture is in both"


def test_vehicles_are_split_by_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = imported("street_vehicles", tmp_path, monkeypatch)
    assert [len(sets[each]) for each in SETS] == [779, 406, 295]
    assert [classes(sets[each])["vehicle"] for each in SETS] == [1172, 939, 462]
    assert all(sets[each].class_names == ("vehicle",) for each in SETS)
    groups = [{record.group for record in sets[each].records} for each in SETS]
    assert groups[1:] == [{"0006R0", "0016E5"}, {"0001TP", "Seq05VD"}] and len(groups[0]) == 4
