"""The vending world: the same bytes everywhere, labels that agree with each other, and other tools reading them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from pycocotools.coco import COCO

from bench.contracts import Context, SplitRequest
from bench.errors import UsageError
from bench.formats.layout import open_image_set
from bench.plugins import find
from bench.worlds.fridge.cabinet import Machine
from bench.worlds.fridge.products import PRODUCTS
from bench.worlds.rendering import pathtrace
from bench.worlds.rendering.raster import rasterise
from bench.worlds.rendering.scene import Geometry
from bench.worlds.rendering.visible import visible_fraction, visible_scene
from bench.worlds.vending import Vending, camera

needs_tracer = pytest.mark.skipif(pathtrace.missing() is not None, reason=str(pathtrace.missing()))
SIZE = 56


def request(domain="synthetic", split="train", count=3, seed=1):
    return SplitRequest(domain, split, count, SIZE, seed)


def render(root, world=None, **options):
    (world or Vending(Vending.Config(backgrounds=2))).image_set(request(**options), Context(0, root))
    return open_image_set(root)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("vending")
    out = {"synthetic": render(root / "synthetic", count=6)}
    if pathtrace.missing() is None:
        out |= {split: render(root / split, domain="real", split=split, count=3) for split in ("train", "test")}
    return out


def files(root, *kinds):
    return {str(p.relative_to(root)): p.read_bytes() for kind in kinds for p in sorted((root / kind).iterdir())}


KINDS = ("images", "instances", "foreground", "depth")
DOMAINS = ["synthetic", pytest.param("train", marks=needs_tracer), pytest.param("test", marks=needs_tracer)]


@pytest.mark.parametrize("name", DOMAINS)
def test_labels_agree_with_each_other(sets, name):
    data = sets[name]
    assert data.has == {"boxes", "instances", "foreground", "depth"}
    assert data.size == (SIZE, SIZE)
    assert data.groups == data.ids
    for sample in data:
        labels = sample.labels
        assert len(labels.boxes) == len(labels.classes) >= 1
        assert labels.classes.min() >= 0
        assert labels.classes.max() < len(data.class_names)
        assert sorted(np.unique(labels.instances)) == list(range(len(labels.boxes) + 1))
        assert (labels.foreground == (labels.instances > 0)).all()
        assert (labels.depth[labels.foreground] > 0.8).all()
        assert (labels.depth < 1.5).all()
        for number, box in enumerate(labels.boxes, start=1):
            rows, columns = np.nonzero(labels.instances == number)
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert len(rows) >= 0.001 * SIZE * SIZE


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")  # its own
@pytest.mark.parametrize("name", DOMAINS)
def test_pycocotools_reads_the_set(sets, name, capsys):
    data = sets[name]
    coco = COCO(data.records[0].root / "annotations.json")
    capsys.readouterr()
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == [p.name for p in PRODUCTS]
    assert len(coco.getImgIds()) == len(data)
    for image_id, sample in zip(coco.getImgIds(), data, strict=True):
        decoded = np.zeros((SIZE, SIZE), int)
        for number, annotation in enumerate(coco.loadAnns(coco.getAnnIds(imgIds=image_id)), start=1):
            mask = coco.annToMask(annotation)
            assert mask.sum() == annotation["area"]
            decoded += number * mask
        assert (decoded == sample.labels.instances).all()


@needs_tracer
def test_a_fresh_process_writes_the_same_bytes_in_another_order_and_count(sets, tmp_path):
    """The other process starts with a later real image, and renders fewer of each set."""
    code = (
        "import sys; from pathlib import Path; from bench.contracts import *\n"
        "from bench.worlds.vending import Vending\n"
        "world, root = Vending(Vending.Config(backgrounds=2)), Path(sys.argv[1])\n"
        f"world.sample(SplitRequest('real', 'train', 9, {SIZE}, 1), 2)\n"
        "for domain, split, count in (('real', 'train', 2), ('synthetic', 'train', 3)):\n"
        f"    world.image_set(SplitRequest(domain, split, count, {SIZE}, 1), Context(99, root / domain))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for here, there, count in ((sets["synthetic"], "synthetic", 3), (sets["train"], "real", 2)):
        ours, theirs = files(here.records[0].root, *KINDS), files(tmp_path / there, *KINDS)
        assert len(theirs) == count * len(KINDS)
        assert theirs.items() <= ours.items()
    assert files(sets["train"].records[0].root, "backgrounds") == files(tmp_path / "real", "backgrounds")


@needs_tracer
def test_one_sample_alone_is_the_one_of_the_set(sets):
    jpeg, labels = Vending(Vending.Config()).sample(request("real", "test"), 1)
    record = sets["test"].records[1]
    assert jpeg == record.path.read_bytes()
    assert record.file.endswith(".jpg")
    assert labels.boxes.tolist() == [list(box) for box in record.boxes]


def test_domains_splits_and_seeds_are_disjoint_draws():
    world = Vending(Vending.Config())
    requests = [request("synthetic", "train"), request("real", "train"), request("real", "test"), request(seed=2)]
    layouts = [tuple(world.layout(r, index)) for r in requests for index in range(10)]
    assert len(set(layouts)) == len(layouts)


def test_one_machine_per_seed():
    assert Machine.of(1) == Machine.of(1)
    assert Machine.of(1) != Machine.of(2)


@needs_tracer
def test_templates_show_the_empty_cabinet_of_the_same_camera(sets):
    """Where no product stands, a photograph is closer to the templates than it is on the products."""
    templates = sets["train"].backgrounds()
    assert len(templates) == 2
    assert not (templates[0] == templates[1]).all()
    assert sets["test"].backgrounds() == []
    assert sets["synthetic"].backgrounds() == []
    for sample in sets["train"]:
        distance = []
        for template in templates:  # colours relative to the mean of the empty places, which exposure does not change
            empty = ~sample.labels.foreground
            shot, back = (image / image[empty].mean((0, 1)) for image in (sample.image, template))
            distance.append(np.abs(shot - back).mean(-1))
        difference = np.min(distance, axis=0)
        assert difference[sample.labels.foreground].mean() > 1.5 * difference[~sample.labels.foreground].mean()


def test_occlusion_occurs_and_small_rests_do_not():
    world, fractions = Vending(Vending.Config()), []
    for index in range(25):
        placed = world.layout(request(), index)
        parts = [part for number, p in enumerate(placed, 1) for part in p.parts(number, "synthetic", 32)]
        kept, _ = visible_scene([*Machine.of(1).parts("synthetic"), *parts], camera(SIZE), 0.25)
        geometry = Geometry.of(kept)
        owner = np.array([part.instance for part in kept])[geometry.part]
        seen = visible_fraction(rasterise(geometry, camera(SIZE)), owner, camera(SIZE))
        _, labels = world.sample(request(), index)
        shown = np.flatnonzero(seen[1:] > 0) + 1
        assert len(shown) == len(labels.boxes)
        fractions += seen[shown].tolist()
    assert min(fractions) >= 0.25
    assert np.mean(np.array(fractions) < 0.8) > 0.1
    assert np.mean(np.array(fractions) > 0.99) > 0.3


@needs_tracer
def test_the_two_domains_look_different(sets):
    """A render has few colours and hard edges; a photograph is noisy, so that hardly two neighbours are equal."""

    def flat(image):
        return (image[:, 1:] == image[:, :-1]).all(-1).mean()

    assert min(flat(sample.image) for sample in sets["synthetic"]) > 0.3
    assert max(flat(sample.image) for sample in sets["train"]) < 0.15


def test_the_manifest_says_where_it_comes_from(sets):
    manifest = json.loads((sets["synthetic"].records[0].root / "manifest.json").read_text())
    provenance = manifest["provenance"]
    assert (manifest["domain"], manifest["kind"]) == ("synthetic", "rendered")
    assert (provenance["world"], provenance["version"]) == ("vending", Vending.version)
    assert provenance["config"]["backgrounds"] == 2
    assert provenance["request"] == {"split": "train", "count": 6, "size": SIZE, "seed": 1}
    assert provenance["backends"]["numpy"] == np.__version__
    if "train" in sets:
        manifest = json.loads((sets["train"].records[0].root / "manifest.json").read_text())
        assert (manifest["kind"], sets["train"].kind) == ("stand-in", "stand-in")
        assert set(manifest["provenance"]["backends"]) >= {"mitsuba", "drjit", "mitsuba-oidn"}


def test_progress_is_told_for_every_image(tmp_path):
    told = []
    Vending(Vending.Config()).image_set(request(count=2), Context(0, tmp_path, progress=told.append))
    assert [(p.step, p.total) for p in told] == [(1, 2), (2, 2)]
    assert all(p.images_per_second > 0 for p in told)


def test_without_the_tracer_real_images_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(pathtrace.importlib.util, "find_spec", lambda name: None)
    assert 'pip install "refiner-bench[render]"' in Vending.skip()
    with pytest.raises(UsageError, match=r"vending cannot render real images: .*refiner-bench\[render\]"):
        render(tmp_path, domain="real")
    assert len(render(tmp_path / "synthetic", count=1)) == 1


def test_looking_at_the_world_imports_no_renderer():
    code = (
        "import sys; from bench.worlds.vending import Vending; Vending.skip(); "
        "print(sorted({'mitsuba', 'mitsuba_oidn', 'drjit', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_it_is_found_by_name_and_its_config_is_checked():
    assert find("world", "vending").load() is Vending
    with pytest.raises(ValueError, match="min_objects 5 is above max_objects 4"):
        Vending.Config(min_objects=5, max_objects=4)
    with pytest.raises(ValueError, match="Extra inputs"):
        Vending.Config(max_object=4)
