import threading
from pathlib import Path

import pytest

from bench.errors import StoreError
from bench.lease import Lease
from bench.store import Store, file_sha256


def commit(store: Store, key: str, text: str) -> None:
    source = store.work(key) / "out"
    source.mkdir(parents=True)
    (source / "a.txt").write_text(text)
    store.commit(key, source, {"label": "x"})


def test_an_artifact_is_whole_or_not_there(store: Store) -> None:
    assert not store.has("k1")
    commit(store, "k1", "one")
    assert store.has("k1")
    assert store.verify("k1") is None
    assert list(store.keys()) == ["k1"]
    assert store.meta("k1")["bytes"] == 3


def test_the_first_of_two_commits_stays(store: Store) -> None:
    commit(store, "k1", "first")
    commit(store, "k1", "second")
    assert (store.path("k1") / "a.txt").read_text() == "first"


def test_who_committed_an_artifact_need_not_read_it_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(store, "k1", "first")
    other = Store(store.root)
    commit(other, "k1", "second")  # was slower, so what lies there is not what it read
    read: list[Path] = []
    real = file_sha256
    monkeypatch.setattr("bench.store.file_sha256", lambda path: read.append(path) or real(path))
    assert store.verify("k1") is None and not read
    assert other.verify("k1") is None and [path.name for path in read] == ["a.txt"]


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "meta"])
def test_damage_is_found_named_and_set_aside(store: Store, damage: str) -> None:
    commit(store, "k1", "content")
    file = store.path("k1") / "a.txt"
    if damage == "flip":
        file.write_text("contenu")
    elif damage == "truncate":
        file.write_text("cont")
    elif damage == "remove":
        file.unlink()
    else:
        (store.path("k1") / "artifact.json").write_text("{")
    wrong = Store(store.root).verify("k1")
    assert wrong is not None
    assert ("artifact.json" if damage == "meta" else "a.txt") in wrong
    aside = store.set_aside("k1")
    assert aside.exists()
    assert not store.has("k1")
    commit(store, "k1", "again")
    assert store.set_aside("k1") != aside


@pytest.mark.parametrize("linked", ["a.txt", "deep/b.txt", "deep"])
def test_equal_bytes_behind_a_link_that_leads_out_are_missing(store: Store, tmp_path: Path, linked: str) -> None:
    source = store.work("k1") / "out"
    (source / "deep").mkdir(parents=True)
    (source / "a.txt").write_text("one")
    (source / "deep" / "b.txt").write_text("two")
    store.commit("k1", source, {"label": "x"})
    assert Store(store.root).verify("k1") is None
    inside = store.path("k1") / linked
    inside.rename(tmp_path / "outside")
    inside.symlink_to(tmp_path / "outside")
    wrong = Store(store.root).verify("k1")
    assert wrong is not None and wrong.endswith(": missing")
    inside.unlink()
    (tmp_path / "outside").rename(inside.with_name("again"))
    inside.symlink_to("again")
    assert Store(store.root).verify("k1") is None, "a link within the artifact is none of that"


def test_history_passes_over_half_written_lines(store: Store) -> None:
    store.remember({"label": "x", "seconds": 1})
    with (store.root / "history.jsonl").open("a") as file:
        file.write('{"label": "y"')
    assert [entry["label"] for entry in store.history()] == ["x"]


def test_only_one_of_many_gets_the_lease(tmp_path: Path) -> None:
    leases = [Lease(tmp_path / "k") for _ in range(8)]
    won: list[Lease] = []
    threads = [threading.Thread(target=lambda x=x: won.append(x) if x.acquire() else None) for x in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    won[0].release()
    again = Lease(tmp_path / "k")
    assert again.acquire()
    again.release()


def test_a_dead_holders_lease_is_taken_over(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import os, sys; from pathlib import Path; from bench.lease import Lease\n"
        "assert Lease(Path(sys.argv[1])).acquire(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "k")], check=True)
    mine = Lease(tmp_path / "k")
    assert mine.acquire()
    assert mine.held()
    mine.release()
    assert not (tmp_path / "k").exists()


def test_a_failed_commit_says_why_in_one_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(StoreError, match="the disk is full"):
        commit(store, "k1", "content")
    assert not store.has("k1")
