"""Pages take their figures from committed runs, and say what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli.main import main
from bench.errors import DataError
from bench.report.shown import filled

COLUMNS = "metric,model,arm,refiner,control,n,mean,gain,gain_low,gain_high,verdict,real_kind"
ROWS = """score,net,synthetic,,false,3,0.5,,,,none,photographs
score,net,refined(same),same,true,3,0.5,0,0,0,equal,photographs
score,net,refined(jitter),jitter,false,3,0.6,0.1,-0.05,0.25,inconclusive,photographs
score,net,refined(paint),paint,false,3,0.7,0.2,0.1,0.3,better,photographs
score,net,joint(paint),paint,false,3,0.75,0.25,0.2,0.3,better,photographs
score,net,hybrid(paint),paint,false,3,0.95,0.45,0.4,0.5,better,photographs
score,net,real,,false,3,0.9,0.4,,,single,photographs
error,net,refined(paint),paint,false,3,9.0,8.0,7.0,9.0,better,photographs
"""
TABLE = """# Shop

score, higher is better.

## net

| arm | score |
| --- | ---: |
| synthetic | 0.500 |

### by class

| a |
| --- |
| 1 |

## Refined sets: label preservation and realism

| set |

Marks: none.
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one run that counts and a smoke run, and a page."""
    for profile in ("quick", "smoke"):
        folder = tmp_path / "results" / "baselines" / f"shop-{profile}"
        folder.mkdir(parents=True)
        suite = f'name = "shop"\nprofile = "{profile}"\nmetric = "score"\nreference_arm = "synthetic"\n'
        (folder / "suite.toml").write_text(suite + 'models = ["net", "absent"]\nbaselines = ["jitter"]\n')
        (folder / "table.csv").write_text(f"{COLUMNS}\n{ROWS}")
        (folder / "table.md").write_text(TABLE)
    page = "# Page\n\n<!-- headline -->\nold\n<!-- end -->\ntext\n<!-- table: shop-quick -->\n<!-- end -->\nend\n"
    (tmp_path / "page.md").write_text(page)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_headline_has_a_row_a_model_and_the_best_of_each_kind(checkout: Path) -> None:
    text = filled((checkout / "page.md").read_text(), checkout / "results" / "baselines")
    rows = [line for line in text.splitlines() if line.startswith("| shop")]
    assert rows == [
        "| shop, score | real (photographs) | net | 3 | 0.500 | `refined(jitter)` ○ +0.100 [−0.050, +0.250] | "
        "`joint(paint)` ▲ +0.250 [+0.200, +0.300] | · +0.400 |"
    ]


def test_another_profile_is_named_and_a_run_about_steadiness_is_left_out(checkout: Path) -> None:
    baselines = checkout / "results" / "baselines"
    for name, more in (("large", ""), ("steady", "spread = true\n")):
        folder = baselines / f"shop-{name}"
        folder.mkdir()
        suite = (baselines / "shop-quick" / "suite.toml").read_text().replace('"quick"', f'"{name}"')
        (folder / "suite.toml").write_text(more + suite)
        (folder / "table.csv").write_text(f"{COLUMNS}\n{ROWS}")
    text = filled((checkout / "page.md").read_text(), baselines)
    assert [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| shop")] == [
        "| shop (`large`), score", "| shop, score",
    ]  # fmt: skip


def test_the_tables_of_models_are_taken_and_nothing_else(checkout: Path) -> None:
    text = filled((checkout / "page.md").read_text(), checkout / "results" / "baselines")
    body = text.split("<!-- table: shop-quick -->\n")[1]
    assert body == (
        "### net\n\n| arm | score |\n| --- | ---: |\n| synthetic | 0.500 |\n\n"
        "#### by class\n\n| a |\n| --- |\n| 1 |\n<!-- end -->\nend\n"
    )
    assert filled(text, checkout / "results" / "baselines") == text, "filling again changes nothing"


def test_check_says_what_is_out_of_date_and_changes_nothing(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (checkout / "page.md").read_text()
    assert main(["results", "--check", "page.md"]) == 1
    assert (checkout / "page.md").read_text() == before
    assert main(["results", "page.md"]) == 0 and main(["results", "--check", "page.md"]) == 0
    assert capsys.readouterr().out.splitlines() == ["page.md: out of date", "page.md: filled", "page.md: as committed"]


def test_what_is_not_there_is_one_line(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"nothing/table\.md: no such file"):
        filled("<!-- table: nothing -->\n<!-- end -->", checkout / "results" / "baselines")
    assert main(["results", "missing.md"]) == 2
    line = "bench: missing.md: no such file; name the pages, or run from a checkout"
    assert capsys.readouterr().err.splitlines() == [line]
