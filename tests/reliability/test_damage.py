"""Truncated, swapped and flipped artifacts of every stage: found, named, set aside, made again; results included."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import collect
from bench.cli.main import main
from bench.engines.execution import execute
from bench.graph import Plan, Stage
from bench.results import read_rows
from bench.store import ARTIFACT, Store
from tests.conftest import TOY

KINDS = ("render", "fit", "refine", "train", "predict", "score")


def work_off(plan: Plan, store: Store) -> list[str]:
    """Make what is missing, one stage after the other, as often as damage asks for it; what was said of damage."""
    said: list[str] = []
    for _ in range(20):
        for stage in plan.stages.values():
            if store.has(stage.key):
                continue
            outcome = execute(stage, store, device="cpu", progress=lambda _: None)
            if outcome.status == "damaged":
                said.append(outcome.reason)
                break
            assert outcome.status == "done", outcome.reason
        else:
            return said
    raise AssertionError("damage without an end")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def blank(path: Path) -> None:
    """What some file systems leave of a file after a power cut."""
    path.write_bytes(bytes(path.stat().st_size))


def remove(path: Path) -> None:
    path.unlink()


def largest(folder: Path) -> Path:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ARTIFACT]
    return max(files, key=lambda path: (path.stat().st_size, path.name))


def resting_on(plan: Plan, key: str) -> list[str]:
    """Keys of everything that is made from an artifact."""
    found: list[str] = []
    for stage in plan.stages.values():
        if any(above in (key, *found) for above in stage.inputs.values()):
            found.append(stage.key)
    return found


def chosen(plan: Plan, kind: str) -> Stage:
    return next(s for s in plan.stages.values() if s.kind == kind and (kind == "render" or "toy-brighten" in s.label))


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_whatever_is_damaged_of_an_input_it_is_made_again_and_nothing_changes(
    toy_plan: Callable[..., Plan], store: Store, tmp_path: Path, kind: str
) -> None:
    plan = toy_plan("replicates=1", "arms=['synthetic', 'refined(toy-brighten)', 'real']")
    assert work_off(plan, store) == []
    before = [(row.arm, row.metric, row.value) for row in collect.rows(plan, store)]
    stage = chosen(plan, kind)
    files = store.meta(stage.key)["files"]
    ways: dict[str, Callable[[], object]] = {
        "flipped": lambda: flip(largest(store.path(stage.key))),
        "truncated": lambda: truncate(largest(store.path(stage.key))),
        "blank": lambda: blank(largest(store.path(stage.key))),
        "removed": lambda: remove(largest(store.path(stage.key))),
        "table flipped": lambda: flip(store.path(stage.key) / ARTIFACT),
        "table blank": lambda: blank(store.path(stage.key) / ARTIFACT),
        "swapped": lambda: swap(store.path(stage.key), store.path(other(plan, store, stage))),
        "a file of another": lambda: shutil.copy(
            largest(store.path(other(plan, store, stage))), largest(store.path(stage.key))
        ),
    }
    for number, (way, damage) in enumerate(ways.items()):
        damage()
        for key in resting_on(plan, stage.key):
            shutil.rmtree(store.path(key), ignore_errors=True)
        fresh = Store(store.root)
        said = work_off(plan, fresh)
        assert said and all("\n" not in line for line in said), way
        assert any(str(store.path(stage.key)) in line and "set aside as" in line for line in said), (way, said)
        assert len(list((store.root / "damaged").iterdir())) >= number + 1
        assert fresh.meta(stage.key)["files"] == files, way
        assert [(row.arm, row.metric, row.value) for row in collect.rows(plan, fresh)] == before, way


def other(plan: Plan, store: Store, stage: Stage) -> str:
    """Another artifact with other bytes, of the same kind where there is one: its digests fit, but not here."""
    mine = largest(store.path(stage.key)).read_bytes()
    others = [s for s in plan.stages.values() if largest(store.path(s.key)).read_bytes() != mine]
    return min(others, key=lambda s: s.kind != stage.kind).key


def swap(one: Path, two: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)


@pytest.mark.slow
def test_a_damaged_result_is_not_reported_and_the_next_run_makes_it_again(
    toy_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing but the report reads a score, so nothing else would find it; one digit is enough."""
    options = [
        "--suite", str(toy_suite), "--plugin", str(TOY), "--store", str(tmp_path / "store"), "--out",
        str(tmp_path / "out"), "--replicates", "1",
    ]  # fmt: skip
    assert main(["run", *options, "--workers", "1"]) == 0
    before = (tmp_path / "out" / "rows.csv").read_bytes()
    capsys.readouterr()
    scores = sorted((tmp_path / "store").glob("objects/*/*/scores.json"))
    text = scores[0].read_text()
    digit = next(place for place, letter in enumerate(text) if letter in "12345678")
    scores[0].write_text(text[:digit] + "9" + text[digit + 1 :])
    (scores[1].parent / ARTIFACT).write_bytes(b"\0" * 100)
    assert main(["report", *options]) == 3
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 2 and all(line.startswith("damaged: ") and "run the suite again" in line for line in said)
    rows = read_rows(tmp_path / "out" / "rows.csv")
    assert {row.status for row in rows} == {"ok", "missing"}
    assert not (tmp_path / "store" / "damaged").exists(), "a report changes nothing"
    assert main(["run", *options, "--workers", "1"]) == 0
    said = capsys.readouterr().err.strip().splitlines()
    assert sum("set aside as" in line for line in said) == 2
    assert (tmp_path / "out" / "rows.csv").read_bytes() == before
    assert len(list((tmp_path / "store" / "damaged").iterdir())) == 2


def test_an_artifact_that_is_damaged_each_time_ends_as_a_failed_stage(
    toy_plan: Callable[..., Plan], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.engines.execution import Outcome
    from bench.engines.local import MOST_DAMAGED, Scheduler

    plan = toy_plan("replicates=1")
    engine = Scheduler(plan, store, "cpu", lambda event: None, True, False)
    stage = chosen(plan, "refine")
    above = stage.inputs["fit"]
    for _ in range(MOST_DAMAGED):
        engine.end(stage, Outcome("damaged", reason="wrong", damaged=above))
        assert set(engine.waiting) >= {stage.key, above}
        for key in engine.waiting:
            engine.waiting.end(key)
    engine.end(stage, Outcome("damaged", reason="wrong", damaged=above))
    assert not engine.waiting and engine.failures.reasons == {stage.key: "wrong"}


def test_what_is_left_of_an_artifact_that_was_being_removed_is_no_artifact(
    toy_plan: Callable[..., Plan], store: Store
) -> None:
    plan = toy_plan("replicates=1")
    stage = chosen(plan, "render")
    left = store.path(stage.key) / "images"
    left.mkdir(parents=True)
    (left / "000.png").write_bytes(b"half")
    assert execute(stage, store, device="cpu", progress=lambda _: None).status == "done"
    assert Store(store.root).verify(stage.key) is None


def test_two_processes_that_find_the_same_damage_set_it_aside_once(store: Store) -> None:
    source = store.work("k") / "out"
    source.mkdir(parents=True)
    (source / "a.txt").write_text("content")
    store.commit("k", source, {})
    (store.path("k") / "a.txt").write_text("contenu")
    assert store.set_aside("k") is not None
    assert store.set_aside("k") is None
    source.mkdir(parents=True)
    (source / "a.txt").write_text("content")
    store.commit("k", source, {})
    assert store.set_aside("k") is None, "what another process has made again is not set aside"
    assert Store(store.root).verify("k") is None
