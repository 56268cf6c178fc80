"""`bench refine`: a trained refiner over any folder, resumed, with labels copied and a card left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli.main import main
from bench.engines.execution import execute
from bench.formats.layout import open_image_set
from bench.graph import Plan
from bench.refined_folder import JOURNAL
from bench.store import Store

TOY = str(Path(__file__).parent.parent / "toy.py")


@pytest.fixture
def run(toy_plan: Callable[..., Plan], store: Store, tmp_path: Path) -> Path:
    """The folder of a run of which renders, fits and refined sets are in the store."""
    plan = toy_plan("replicates=1")
    for stage in plan.stages.values():
        if stage.kind in ("render", "fit", "refine"):
            assert execute(stage, store, device="cpu", progress=lambda report: None).status == "done"
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "keys.json").write_text(json.dumps(sorted(plan.stages)))
    return folder


def artifact(store: Store, label: str) -> Path:
    keys = list(store.keys())
    return next(store.path(key) for key in keys if store.meta(key)["label"] == label)


def refine(run: Path, store: Store, source: Path, target: Path, *more: str, name: str = "toy-brighten") -> int:
    return main([
        "refine", "--refiner", str(run), "--name", name, "--store", str(store.root), "--input", str(source),
        "--output", str(target), "--plugin", TOY, "--device", "cpu", *more,
    ])  # fmt: skip


def test_an_image_set_becomes_the_runs_own_refined_set(run: Path, store: Store, tmp_path: Path, capsys) -> None:
    source, theirs = artifact(store, "render synthetic train (6)"), artifact(store, "refine with toy-brighten #0")
    assert refine(run, store, source, tmp_path / "out") == 0
    assert "6 images refined by toy-brighten, 0 there already" in capsys.readouterr().out
    made, expected = open_image_set(tmp_path / "out"), open_image_set(theirs)
    np.testing.assert_array_equal(made.images(), expected.images())
    assert made.ids == expected.ids and made.domain == "refined" and made.has == expected.has
    assert made.records[0].boxes == open_image_set(source).records[0].boxes
    assert main(["data", "verify", str(tmp_path / "out")]) in (0, 2)
    assert "unknown file" not in (out := capsys.readouterr().out) and "changed file" not in out
    card = (tmp_path / "out" / "data-card.md").read_text()
    reason = "Not measured: these images were refined outside of a run"
    for part in ("toy-brighten, version 1", '"gain": 1.0', "Refining seed", reason, "rights"):
        assert part in card
    assert str(tmp_path) not in card
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert refine(run, store, source, tmp_path / "out") == 0
    assert "0 images refined by toy-brighten, 6 there already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def folder_of_images(root: Path) -> Path:
    """Pictures of three sizes and formats with label files, masks and one broken file."""
    (root / "a").mkdir(parents=True)
    (root / "masks").mkdir()
    sizes = {"a/x.png": (20, 30), "a/y.jpg": (33, 17), "z.bmp": (8, 8), "a/w.png": (20, 30)}
    for k, (name, size) in enumerate(sizes.items()):
        Image.new("RGB", size, (60 + k, 60, 60)).save(root / name)
    Image.new("L", (20, 30), 3).save(root / "masks" / "x.png")
    (root / "labels.csv").write_text("file,class\na/x.png,can\n")
    (root / "broken.png").write_bytes(b"x")
    return root


def test_any_folder_keeps_its_names_sizes_and_label_files(run: Path, store: Store, tmp_path: Path, capsys) -> None:
    source, out = folder_of_images(tmp_path / "in"), tmp_path / "out"
    assert refine(run, store, source, out) == 3
    captured = capsys.readouterr()
    assert "4 images refined by toy-brighten, 0 there already, 2 other files copied" in captured.out
    assert captured.err.count("broken.png: not a readable image") == 1
    assert "1 of 5 images left out; mend them and run again" in captured.err
    for name, size in {"a/x.png": (20, 30), "a/y.jpg": (33, 17), "z.bmp": (8, 8)}.items():
        with Image.open(out / name) as image:
            assert image.size == size and np.asarray(image.convert("RGB")).mean() > 80, "brightened by about 50"
    for name in ("masks/x.png", "labels.csv"):
        assert (out / name).read_bytes() == (source / name).read_bytes()
    assert not (out / "broken.png").exists() and not list(out.rglob("*.part"))
    # Mend one, change one, and go on: nothing else is touched.
    stamp = (out / "z.bmp").stat().st_mtime_ns
    Image.new("RGB", (9, 9), (10, 10, 10)).save(source / "broken.png")
    Image.new("RGB", (20, 30), (0, 0, 0)).save(source / "a" / "x.png")
    assert refine(run, store, source, out) == 0
    assert "2 images refined by toy-brighten, 3 there already, 0 other files copied" in capsys.readouterr().out
    assert (out / "z.bmp").stat().st_mtime_ns == stamp
    assert np.asarray(Image.open(out / "a" / "x.png")).mean() < 60
    assert refine(run, store, source, out, "--seed", "5") == 2
    assert "was made by another refiner, seed or input" in capsys.readouterr().err


def test_killed_half_way_goes_on_and_ends_in_the_same_files(
    run: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    source = artifact(store, "render synthetic train (6)")
    assert refine(run, store, source, tmp_path / "whole") == 0
    from bench import refined_folder

    calls, write = [0], refined_folder._write

    def dying(path: Path, data: bytes) -> None:
        calls[0] += 1
        if calls[0] == 4:
            path.with_name(f".{path.name}.part").write_bytes(data[:5])
            raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr(refined_folder, "_write", dying)
    assert refine(run, store, source, tmp_path / "out", "--batch", "2") == 130
    assert not (tmp_path / "out" / "manifest.json").exists() and (tmp_path / "out" / JOURNAL).is_file()
    monkeypatch.setattr(refined_folder, "_write", write)
    capsys.readouterr()
    assert refine(run, store, source, tmp_path / "out", "--batch", "3") == 0
    assert "3 images refined by toy-brighten, 3 there already" in capsys.readouterr().out
    files = [{p.relative_to(r): p.read_bytes() for p in r.rglob("*") if p.is_file()} for r in
             (tmp_path / "whole", tmp_path / "out")]  # fmt: skip
    assert files[0] == files[1]


def test_a_fits_folder_or_its_weights_do_without_the_run(run: Path, store: Store, tmp_path: Path, capsys) -> None:
    shutil.copytree(artifact(store, "fit toy-brighten #0"), tmp_path / "mine")
    shutil.rmtree(store.root)
    Image.new("RGB", (20, 30)).save(tmp_path / "run" / "a.png")
    for refiner, out in (("mine", "o1"), ("mine/weights.safetensors", "o2")):
        places = ["--input", str(run), "--output", str(tmp_path / out)]
        arguments = ["refine", "--refiner", str(tmp_path / refiner), *places]
        assert main([*arguments, "--plugin", TOY]) == 0
    assert (tmp_path / "o1" / "a.png").read_bytes() == (tmp_path / "o2" / "a.png").read_bytes()
    weights = tmp_path / "mine" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    capsys.readouterr()
    assert main([*arguments[:2], str(tmp_path / "mine"), *arguments[3:-1], str(tmp_path / "o3")]) == 2
    error = capsys.readouterr().err
    assert "not those that were trained (sha256)" in error and not (tmp_path / "o3").exists()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"--name": "toy-brigten"}, "did you mean 'toy-brighten'?"),
        ({"--name": None}, "--name: say which refiner: toy-brighten, toy-same"),
        ({"--replicate": "7"}, "--replicate 7: toy-brighten has 0"),
        ({"--refiner": "IN"}, "no trained refiner there; name a run's folder"),
        ({"--input": "nowhere"}, "--input nowhere: no such folder"),
        ({"--input": "EMPTY"}, "no images in it"),
        ({"--output": "IN/out"}, "lies in --input"),
        ({"--output": "RUN"}, "exists and was not made by this command"),
        ({"--batch": "0"}, "--batch 0: must be 1 or more"),
        ({"--store": "nowhere"}, "nowhere: holds nothing of the run"),
    ],
)
def test_mistakes_are_one_line(run: Path, store: Store, tmp_path: Path, capsys, changes, text: str) -> None:
    source = folder_of_images(tmp_path / "in")
    (tmp_path / "empty").mkdir()
    places = {"IN": str(source), "RUN": str(run), "EMPTY": str(tmp_path / "empty"), "IN/out": str(source / "out")}
    options = {
        "--refiner": str(run), "--name": "toy-brighten", "--store": str(store.root), "--input": str(source),
        "--output": str(tmp_path / "out"), "--plugin": TOY, "--device": "cpu",
    } | changes  # fmt: skip
    words = [word for key, value in options.items() if value is not None for word in (key, places.get(value, value))]
    assert main(["refine", *words]) == 2
    error = capsys.readouterr().err
    assert text in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_size_that_the_network_refuses_is_left_out_with_its_reason(
    run: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    from bench import plugins

    cls = plugins.find("refiner", "toy-brighten").load()
    whole = cls.refine

    def narrow(self, samples, context):
        if any(sample.image.shape[1] == 33 for sample in samples):
            raise RuntimeError("width 33\nis odd")
        return whole(self, samples, context)

    monkeypatch.setattr(cls, "refine", narrow)
    source = folder_of_images(tmp_path / "in")
    assert refine(run, store, source, tmp_path / "out") == 3
    error = capsys.readouterr().err
    assert "y (33x17): toy-brighten cannot refine it: RuntimeError: width 33; left out" in error
    assert (tmp_path / "out" / "a" / "w.png").is_file()
