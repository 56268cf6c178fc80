"""The flight world: the same bytes everywhere, whole lattices, and labels that agree with each other and the plan."""

import json
import subprocess
import sys

import numpy as np
import pytest

from bench.contracts import Context, SplitRequest
from bench.errors import UsageError
from bench.formats.courses import GroundPlan
from bench.formats.layout import open_image_set
from bench.formats.source import Problems
from bench.formats.verify import verify_set
from bench.plugins import find
from bench.worlds.courtyard.distances import DIRECTIONS, edges
from bench.worlds.courtyard.lattice import OFFSETS, RADIUS, STEP
from bench.worlds.courtyard.obstacles import CLASSES
from bench.worlds.flight import Flight
from bench.worlds.rendering import pathtrace

needs_tracer = pytest.mark.skipif(pathtrace.missing() is not None, reason=str(pathtrace.missing()))
SIZE = 32
SMALL = Flight.Config(frames_per_course=3, test_length=6, train_length=20)
GROUND, SKY = CLASSES.index("ground"), CLASSES.index("sky")
KINDS = ("images", "semantic", "depth")
NAMES = ["synthetic-train", "synthetic-test"]
NAMES += [pytest.param(name, marks=needs_tracer) for name in ("real-train", "real-test")]


def request(name, count, seed=1, size=SIZE):
    return SplitRequest(*name.split("-"), count, size, seed)


def render(root, name, count, config=SMALL, **options):
    Flight(config).image_set(request(name, count, **options), Context(0, root))
    return open_image_set(root)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("flight")
    out = {name: render(root / name, name, 7 if "train" in name else 90) for name in NAMES[:2]}
    if pathtrace.missing() is None:
        out |= {name: render(root / name, name, 7 if "train" in name else 60) for name in ("real-train", "real-test")}
    return out


def files(root):
    return {str(p.relative_to(root)): p.read_bytes() for kind in KINDS for p in sorted((root / kind).iterdir())}


@pytest.mark.parametrize("name", NAMES)
def test_a_set_is_whole_and_passes_verification(sets, name):
    data = sets[name]
    assert data.has == {"semantic", "depth", "vectors"}
    assert data.class_names == CLASSES
    assert data.size == (SIZE, SIZE)
    problems = Problems()
    verify_set(data.records[0].root, problems)
    assert problems.lines == []
    assert len(data) == 7 if "train" in name else len(data) > 30


@pytest.mark.parametrize("name", NAMES)
def test_labels_agree_with_each_other(sets, name):
    for sample in sets[name]:
        labels = sample.labels
        assert labels.semantic.max() < len(CLASSES)
        assert (labels.depth[labels.semantic == SKY] == 0).all()
        assert (labels.depth[labels.semantic != SKY] > 0.1).mean() > 0.99  # the rest lies beyond 65 m
        assert labels.vectors["free"].shape == (DIRECTIONS,)
        assert labels.vectors["free"].min() > 0.1
        assert labels.vectors["free"].max() <= 20


@pytest.mark.parametrize("name", NAMES)
def test_free_distances_agree_with_the_ground_plan(sets, name):
    """A depth map sees no obstacle nearer than the plan has one, and seldom misses one: a thin post between pixels."""
    bounds, errors = edges(), []
    for sample in sets[name]:
        vectors = sample.labels.vectors
        plan, (x, y, _, heading) = GroundPlan.of(vectors), vectors["pose"].tolist()
        for k in range(DIRECTIONS):
            angles = heading + np.linspace(bounds[k], bounds[k + 1], 7)
            errors.append(vectors["free"][k] - plan.cast((x, y), angles, 20.0).min())
    assert min(errors) > -0.3
    assert np.mean(np.abs(errors) < 0.3) > 0.7
    assert abs(np.median(errors)) < 0.15


def test_depth_is_the_ray_to_the_footprints():
    """Pixels at the camera's height, straight ahead and aside, against rays cast through the same pixel centres."""
    errors = []
    world = Flight(SMALL)
    for number, view in zip(range(40), world.views(request("synthetic-test", 0)), strict=False):
        _, labels = world.sample(view, 64)
        plan, camera = GroundPlan.of(labels.vectors), view.pose.camera(64)
        offset = camera.rays() * labels.depth[..., None]
        level = (np.abs(offset[..., 2]) < 0.4) & ~np.isin(labels.semantic, (GROUND, SKY))
        for column in (24, 31, 32, 40):
            for row in np.flatnonzero(level[:, column])[:2]:
                ray = offset[row, column]
                seen = np.hypot(ray[0], ray[1])
                cast = plan.cast((view.pose.x, view.pose.y), [np.arctan2(ray[1], ray[0])], 60.0)[0]
                errors.append(seen - cast)
        assert number < 40
    assert len(errors) > 100
    assert np.percentile(np.abs(errors), 90) < 0.3
    assert abs(np.median(errors)) < 0.05


@pytest.mark.parametrize("name", NAMES[:2])
def test_everything_that_is_seen_at_flying_height_stands_in_the_plan(sets, name):
    world, stray = Flight(SMALL), []
    for view, sample in zip(world.views(request(name, 0)), sets[name], strict=False):
        labels, camera = sample.labels, view.pose.camera(SIZE)
        offset = camera.rays() * labels.depth[..., None]
        seen = (labels.depth > 0) & ~np.isin(labels.semantic, (GROUND, SKY)) & (np.abs(offset[..., 2]) < 0.4)
        points = offset[seen][:, :2] + (view.pose.x, view.pose.y)
        stray += np.abs(GroundPlan.of(labels.vectors).clearance(points)).tolist()
    assert np.percentile(stray, 99) < 0.25
    assert np.mean(stray) < 0.05


def test_frames_of_one_flight_are_a_group(sets):
    assert [group[-4:] for group in sets["synthetic-train"].groups] == ["0000"] * 3 + ["0001"] * 3 + ["0002"]
    for name, data in sets.items():
        assert all(record.id.startswith(record.group) for record in data.records)
        assert all(record.group.startswith(name) for record in data.records)


@pytest.mark.parametrize("name", ["synthetic-test", pytest.param("real-test", marks=needs_tracer)])
def test_a_test_split_is_whole_lattices(sets, name):
    """Of every course, each node that keeps the radius has one view, at its place, heading straight on."""
    data = sets[name]
    for group in set(data.groups):
        views = [sample.labels.vectors for sample in data if sample.group == group]
        plan, found = GroundPlan.of(views[0]), {tuple(view["node"].tolist()) for view in views}
        assert len(found) == len(views)
        for row in range(5):
            for column, offset in enumerate(OFFSETS):
                assert ((row, column) in found) == (plan.clearance((row * STEP, offset)) >= RADIUS)
        for view in views:
            row, column = view["node"].astype(int)
            assert view["pose"].tolist() == pytest.approx([row * STEP, OFFSETS[column], 1.4, 0.0], abs=0.3)
            assert (view["obstacles"] == views[0]["obstacles"]).all()


def test_only_whole_courses_are_given():
    world = Flight(SMALL)
    counts = [world.available(request("real-test", count)) for count in range(45, 140)]
    assert len(set(counts)) in (2, 3)
    assert all(given <= asked for given, asked in zip(counts, range(45, 140), strict=True))
    assert world.available(request("real-test", counts[-1])) == counts[-1]
    assert world.available(request("real-train", 17)) == 17
    with pytest.raises(UsageError, match=r"\[counts\]: 5 real test images, but the first course .* has \d+ views"):
        world.available(request("real-test", 5))


def test_no_two_splits_share_a_course():
    world = Flight(SMALL)
    names = [request(name, 0) for name in ("synthetic-train", "synthetic-test", "real-train", "real-test")]
    names.append(request("real-train", 0, seed=2))
    courses = set()
    for number in range(5):
        courses |= {world._course(split, number).layout.obstacles for split in names}
    assert len(courses) == 5 * len(names)


@needs_tracer
def test_a_fresh_process_writes_the_same_bytes_in_another_order_and_count(sets, tmp_path):
    """The other process starts with a later real view of another course, and renders fewer of each set."""
    code = (
        "import sys; from itertools import islice; from pathlib import Path; from bench.contracts import *\n"
        "from bench.worlds.flight import Flight\n"
        "world = Flight(Flight.Config(frames_per_course=3, test_length=6, train_length=20))\n"
        f"view = next(islice(world.views(SplitRequest('real', 'train', 9, {SIZE}, 1)), 4, None))\n"
        f"world.sample(view, {SIZE})\n"
        "for domain in ('real', 'synthetic'):\n"
        f"    request = SplitRequest(domain, 'train', 4, {SIZE}, 1)\n"
        "    world.image_set(request, Context(99, Path(sys.argv[1]) / domain))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for domain in ("real", "synthetic"):
        theirs = files(tmp_path / domain)
        assert len(theirs) == 4 * len(KINDS)
        assert theirs.items() <= files(sets[f"{domain}-train"].records[0].root).items()


@needs_tracer
def test_the_two_looks_differ(sets):
    """A render has flat patches; a photograph is noisy, so that hardly two neighbours are equal."""

    def flat(image):
        return (image[:, 1:] == image[:, :-1]).all(-1).mean()

    dull = [flat(sample.image[SIZE // 2 :]) for sample in sets["real-train"]]
    assert np.mean([flat(sample.image) for sample in sets["synthetic-train"]]) > 0.2
    assert np.mean(dull) < 0.1
    assert all(record.file.endswith(".jpg") for record in sets["real-train"].records)


def test_the_manifest_says_where_it_comes_from(sets):
    manifest = json.loads((sets["synthetic-train"].records[0].root / "manifest.json").read_text())
    provenance = manifest["provenance"]
    assert (manifest["domain"], manifest["kind"]) == ("synthetic", "rendered")
    assert (provenance["world"], provenance["version"]) == ("flight", Flight.version)
    assert provenance["config"]["frames_per_course"] == 3
    assert provenance["request"] == {"split": "train", "count": 7, "size": SIZE, "seed": 1}
    if "real-train" in sets:
        manifest = json.loads((sets["real-train"].records[0].root / "manifest.json").read_text())
        assert (manifest["kind"], sets["real-train"].kind) == ("stand-in", "stand-in")
        assert set(manifest["provenance"]["backends"]) >= {"mitsuba", "drjit", "mitsuba-oidn"}


def test_without_the_tracer_real_images_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(pathtrace.importlib.util, "find_spec", lambda name: None)
    assert 'pip install "refiner-bench[render]"' in Flight.skip()
    with pytest.raises(UsageError, match=r"flight cannot render real images: .*refiner-bench\[render\]"):
        render(tmp_path, "real-train", 1)
    assert len(render(tmp_path / "synthetic", "synthetic-train", 1)) == 1


def test_it_is_found_by_name_without_a_renderer():
    code = (
        "import sys; from bench.plugins import find; world = find('world', 'flight').load(); world.skip(); "
        "print(world.__name__, sorted({'mitsuba', 'mitsuba_oidn', 'drjit', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Flight []\n"
    assert find("world", "flight").load() is Flight
    with pytest.raises(ValueError, match="Extra inputs"):
        Flight.Config(courses=4)
