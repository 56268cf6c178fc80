"""The linemod world: the same bytes everywhere, one posed object an image, labels that agree with the geometry."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bench.contracts import Context, SplitRequest
from bench.errors import UsageError
from bench.formats.layout import open_image_set
from bench.plugins import find
from bench.worlds.linemod import Linemod
from bench.worlds.objects.catalogue import NAMES, model
from bench.worlds.objects.poses import CROP
from bench.worlds.rendering import pathtrace
from bench.worlds.rendering.photograph import decode

SIZE = 32
KINDS = ("images", "instances", "foreground", "depth")
needs_tracer = pytest.mark.skipif(pathtrace.missing() is not None, reason=str(pathtrace.missing()))
REAL = [pytest.param(name, marks=needs_tracer) for name in ("train", "test")]
DOMAINS = ["synthetic", "procedural", *REAL]


def request(domain="synthetic", split="train", count=11, size=SIZE, seed=1):
    return SplitRequest(domain, split, count, size, seed)


def world(**config):
    return Linemod(Linemod.Config(**config))


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root, out = tmp_path_factory.mktemp("linemod"), {}
    wanted = {"synthetic": (request(), "black"), "procedural": (request(), "procedural")}
    if pathtrace.missing() is None:
        wanted |= {"train": (request("real"), "black"), "test": (request("real", "test", 6), "black")}
    for name, (split, background) in wanted.items():
        steps = []
        world(background=background).image_set(split, Context(99, root / name, progress=steps.append))
        assert [step.step for step in steps] == list(range(1, split.count + 1))
        out[name] = open_image_set(root / name)
    return out


def files(root, *kinds):
    return {str(p.relative_to(root)): p.read_bytes() for kind in kinds for p in sorted((root / kind).iterdir())}


@pytest.mark.parametrize("name", DOMAINS)
def test_every_image_shows_one_object_with_its_pose(sets, name):
    data = sets[name]
    assert data.has == {"boxes", "instances", "foreground", "depth", "vectors"}
    assert data.class_names == NAMES
    assert data.size == (SIZE, SIZE)
    assert data.groups == data.ids
    if len(data) == 11:
        assert sorted(record.classes[0] for record in data.records) == list(range(11))  # one round: each class once
    for sample in data:
        labels = sample.labels
        assert len(labels.boxes) == len(labels.classes) == 1
        rows, columns = np.nonzero(labels.foreground)
        assert len(rows) >= 0.03 * SIZE * SIZE
        assert labels.boxes[0].tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert (labels.foreground == (labels.instances == 1)).all()
        assert labels.instances.max() == 1
        assert list(labels.vectors) == ["quaternion"]
        quaternion = labels.vectors["quaternion"]
        assert np.linalg.norm(quaternion) == pytest.approx(1, abs=1e-6)
        assert quaternion[0] >= 0


@pytest.mark.parametrize("name", DOMAINS)
def test_depth_is_relative_to_the_object_and_its_range_ends_at_the_background(sets, name):
    for sample in sets[name]:
        depth, object_ = sample.labels.depth, sample.labels.foreground
        assert depth.min() > 0
        assert depth.max() <= 0.4 + 1e-6
        assert 0.1 < np.median(depth[object_]) < 0.26  # near its centre; no object reaches 0.1 further
        beyond = depth[~object_] == pytest.approx(0.4)
        if name in ("synthetic", "procedural"):
            assert beyond  # nothing is there, whatever is painted
        else:
            assert (depth[~object_] < 0.399).any()  # the depth camera sees the table


def rotation(quaternion):
    """Textbook formula, written out: independent of the world's own way from rotation to quaternion."""
    w, x, y, z = quaternion.astype(float)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def projected(cls, quaternion, distance, size):
    """Silhouette (polygons drawn by Pillow, 8 times finer) and nearest depth (points on the faces) by a pinhole."""
    fine, depth = Image.new("1", (8 * size, 8 * size)), np.full((size, size), np.inf)
    pen, weights = ImageDraw.Draw(fine), np.random.default_rng(0).dirichlet((1, 1, 1), 400)
    for piece in model(cls).pieces:
        seen = piece.mesh.vertices[piece.mesh.faces] @ rotation(quaternion).T
        for triangle in size / 2 + seen[..., :2] * (size * distance / CROP / (seen[..., 2:] + distance)):
            pen.polygon([tuple(corner) for corner in (8 * triangle - 0.5).tolist()], fill=1)
        x, y, z = np.einsum("nk,fkd->nfd", weights, seen).reshape(-1, 3).T
        scale = size * distance / CROP / (z + distance)
        column, row = (np.floor(size / 2 + v * scale).astype(int).clip(0, size - 1) for v in (x, y))
        np.minimum.at(depth, (row, column), z + 0.2)
    return np.asarray(fine)[4::8, 4::8], depth


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def test_the_quaternion_reprojects_the_mesh_onto_mask_and_depth():
    """Mirrored, inverted and otherwise twisted conventions all miss; only the labelled quaternion hits."""
    made, split, wrong = world(), request(size=64), []
    for index in range(11):
        _, labels = made.sample(split, index)
        cls, view = made.drawn(split, index)
        assert labels.classes[0] == cls
        quaternion = labels.vectors["quaternion"]
        mask, depth = projected(cls, quaternion, view.distance, 64)
        assert overlap(mask, labels.foreground) > 0.9
        both = mask & labels.foreground
        assert np.median(np.abs(depth - labels.depth)[both]) < 0.002
        inverse = quaternion * (1, -1, -1, -1)
        wrong.append(overlap(projected(cls, inverse, view.distance, 64)[0], labels.foreground))
    assert np.mean(wrong) < 0.8


@needs_tracer
def test_real_masks_lie_inside_the_reprojected_silhouette_and_show_most_of_it():
    made, split = world(), request("real", size=48)
    for index in (0, 3, 7):
        _, labels = made.sample(split, index)
        cls, view = made.drawn(split, index)
        mask, depth = projected(cls, labels.vectors["quaternion"], view.distance, 48)
        assert (labels.foreground & mask).sum() > 0.93 * labels.foreground.sum()
        assert labels.foreground.sum() > 0.55 * mask.sum()
        error = np.abs(depth - labels.depth)[labels.foreground & mask]
        assert 0.0005 < np.median(error) < 0.006  # a sensor's noise, not a wrong pose


def test_views_cover_the_upper_hemisphere():
    views = [world().drawn(request(), index)[1] for index in range(300)]
    elevations, rolls = np.degrees([v.elevation for v in views]), np.degrees([v.roll for v in views])
    assert 15 <= elevations.min() < 20
    assert 75 < elevations.max() <= 85
    assert np.abs(rolls).max() <= 45
    assert np.histogram([v.azimuth for v in views], 4, (-np.pi, np.pi))[0].min() > 45


def test_backgrounds_change_only_what_lies_behind(sets):
    behind = []
    for black, painted in zip(sets["synthetic"], sets["procedural"], strict=True):
        inside = black.labels.foreground
        assert (black.image[~inside] == 0).all()
        assert (black.image[inside] == painted.image[inside]).all()
        assert (black.labels.depth == painted.labels.depth).all()
        assert painted.image[~inside].std() > 5
        behind.append(painted.image)
    assert len({image.tobytes() for image in behind}) == 11
    with pytest.raises(ValueError, match="background"):
        Linemod.Config(background="white")


def test_domains_splits_and_seeds_are_disjoint_draws():
    splits = [request(*names, seed=seed) for names in (("synthetic",), ("real",), ("real", "test")) for seed in (1, 2)]
    poses = [tuple(world().drawn(split, index)[1].quaternion) for split in splits for index in range(30)]
    assert len(set(poses)) == len(poses)


def test_classes_are_balanced_in_rounds():
    drawn = [world().drawn(request(), index)[0] for index in range(44)]
    assert np.bincount(drawn).tolist() == [4] * 11
    assert drawn[:11] != drawn[11:22]


@needs_tracer
def test_images_of_the_real_splits_differ(sets):
    pixels = {sample.image.tobytes() for name in ("train", "test") for sample in sets[name]}
    assert len(pixels) == 17


@needs_tracer
def test_a_fresh_process_writes_the_same_bytes_in_another_order_and_count(sets, tmp_path):
    code = (
        "import sys; from pathlib import Path; from bench.contracts import *\n"
        "from bench.worlds.linemod import Linemod\n"
        "root = Path(sys.argv[1])\n"
        f"Linemod(Linemod.Config()).sample(SplitRequest('real', 'train', 9, {SIZE}, 1), 7)\n"
        "for domain, back in (('real', 'black'), ('synthetic', 'procedural')):\n"
        f"    split, world = SplitRequest(domain, 'train', 3, {SIZE}, 1), Linemod(Linemod.Config(background=back))\n"
        "    world.image_set(split, Context(5, root / domain))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for here, there in (("train", "real"), ("procedural", "synthetic")):
        ours, theirs = files(sets[here].records[0].root, *KINDS), files(tmp_path / there, *KINDS)
        assert len(theirs) == 3 * len(KINDS)
        assert theirs.items() <= ours.items()


@needs_tracer
def test_one_sample_alone_is_the_one_of_the_set(sets):
    jpeg, labels = world().sample(request("real", "test", 1), 4)
    record = sets["test"].records[4]
    assert jpeg == record.path.read_bytes()
    assert decode(jpeg).shape == (SIZE, SIZE, 3)
    assert labels.vectors["quaternion"].tolist() == pytest.approx(record.vectors["quaternion"])


def test_without_the_path_tracer_it_is_skipped_and_real_images_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(pathtrace, "missing", lambda: "package mitsuba is not installed")
    assert "mitsuba" in Linemod.skip()
    with pytest.raises(UsageError, match="linemod cannot render real images: package mitsuba"):
        world().image_set(request("real"), Context(0, tmp_path / "real"))
    world().image_set(request(count=1), Context(0, tmp_path / "synthetic"))


def test_the_plug_in_is_found():
    assert find("world", "linemod").load() is Linemod


def test_looking_at_the_world_imports_no_renderer():
    code = (
        "import sys; from bench.worlds.linemod import Linemod; Linemod.skip(); "
        "print(sorted({'mitsuba', 'mitsuba_oidn', 'drjit', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
