"""The rooms world: the same bytes everywhere, depth that agrees with the geometry, rooms that are in one set only."""

import subprocess
import sys

import numpy as np
import pytest

from bench.contracts import Context, SplitRequest
from bench.errors import UsageError
from bench.formats.layout import open_image_set
from bench.plugins import find
from bench.worlds.furnished.items import CLASS_OF, CLASSES
from bench.worlds.furnished.plan import draw_plan
from bench.worlds.furnished.room import Room, shape
from bench.worlds.rendering import pathtrace
from bench.worlds.rendering.photograph import decode
from bench.worlds.rooms import Rooms

SIZE = 32
KINDS = ("images", "depth", "semantic")
needs_tracer = pytest.mark.skipif(pathtrace.missing() is not None, reason=str(pathtrace.missing()))
REAL = [pytest.param(name, marks=needs_tracer) for name in ("train", "test")]


def request(domain="synthetic", split="train", count=6, size=SIZE, seed=1):
    return SplitRequest(domain, split, count, size, seed)


def world(**config):
    return Rooms(Rooms.Config(**{"samples_per_pixel": 2, **config}))


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root, out = tmp_path_factory.mktemp("rooms"), {}
    wanted = {"synthetic": request()}
    if pathtrace.missing() is None:
        wanted |= {"train": request("real"), "test": request("real", "test", 4)}
    for name, split in wanted.items():
        steps = []
        world().image_set(split, Context(99, root / name, progress=steps.append))
        assert [step.step for step in steps] == list(range(1, split.count + 1))
        out[name] = open_image_set(root / name)
    return out


def files(root):
    return {str(p.relative_to(root)): p.read_bytes() for kind in KINDS for p in sorted((root / kind).iterdir())}


@pytest.mark.parametrize("name", ["synthetic", *REAL])
def test_labels_are_valid_and_known_everywhere(sets, name):
    data = sets[name]
    assert data.has == {"depth", "semantic"}
    assert data.class_names == CLASSES == Rooms.class_names
    assert data.size == (SIZE, SIZE)
    for sample in data:
        depth, semantic = sample.labels.depth, sample.labels.semantic
        assert depth.min() > 0.3
        assert depth.max() < 9
        assert np.ptp(depth) > 0.8
        assert semantic.max() < len(CLASSES)
        assert len(np.unique(semantic)) >= 3
        assert sample.image.std() > 5


def test_four_views_make_a_group_and_no_room_is_in_two_sets(sets):
    assert sets["synthetic"].groups == ["synthetic-train-00000"] * 4 + ["synthetic-train-00001"] * 2
    groups = [set(data.groups) for data in sets.values()]
    assert sum(map(len, groups)) == len(set.union(*groups))
    requests = [request(d, s, seed=k) for d in ("synthetic", "real") for s in ("train", "test") for k in (1, 2)]
    sizes = [world().drawn(one, index)[0].plan.width for one in requests for index in (0, 4)]
    assert len(set(sizes)) == len(sizes)


def nearest_hit(room, eye, ray):
    """Depth and class by testing every triangle's plane and edges: no rasteriser, no Moeller-Trumbore."""
    corners = room.geometry.vertices[room.geometry.faces]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    facing = normal @ ray
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = ((a - eye) * normal).sum(1) / facing
        point = eye + depth[:, None] * ray
        inside = np.ones(len(a), bool)
        for start, end in ((a, b), (b, c), (c, a)):
            inside &= (np.cross(end - start, point - start) * normal).sum(1) >= 0
    depth = np.where(inside & (facing < 0) & (depth > 0), depth, np.inf)
    first = int(depth.argmin())
    return depth[first], room.parts[room.geometry.part[first]].instance - 1


def test_depth_and_semantics_are_those_of_an_independent_ray_cast():
    made, split = world(), request(size=48)
    rng = np.random.default_rng(0)
    for index in (0, 3, 5):
        _, labels = made.sample(split, index)
        room, view = made.drawn(split, index)
        forward = view.target - view.eye
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, (0, 0, 1))
        right /= np.linalg.norm(right)
        up = np.cross(right, forward)
        right, up = (
            np.cos(view.roll) * right - np.sin(view.roll) * up,
            np.sin(view.roll) * right + np.cos(view.roll) * up,
        )
        slope = np.tan(np.radians(68.0) / 2)
        agree = []
        for row, column in rng.integers(0, 48, (60, 2)):
            x, y = ((column + 0.5) / 24 - 1) * slope, (1 - (row + 0.5) / 24) * slope
            depth, cls = nearest_hit(room, view.eye, forward + x * right + y * up)
            agree.append(abs(depth - labels.depth[row, column]) < 1e-4 and cls == labels.semantic[row, column])
        assert np.mean(agree) > 0.98  # a ray along an edge may go either way


@needs_tracer
def test_the_real_labels_follow_the_geometry_too():
    """Unproject each floor pixel of a photograph: up to the lens's bend, all lie at the camera's height below it."""
    made, split = world(), request("real", size=48)
    for index in (0, 4):
        _, labels = made.sample(split, index)
        _, view = made.drawn(split, index)
        rays = view.camera(48, 68.0).rays()
        height = (view.eye + labels.depth[..., None] * rays)[..., 2]
        ground = labels.semantic == CLASSES.index("floor")
        assert ground.sum() > 50
        assert np.abs(np.median(height[ground])) < 0.05
        assert (np.abs(height[ground]) < 0.2).mean() > 0.9


def test_rooms_are_as_large_as_promised_and_nothing_stands_in_anything():
    for seed in range(40):
        plan = draw_plan(np.random.default_rng(seed))
        assert 3 <= plan.width <= 6
        assert 3 <= plan.depth <= 6
        assert any(item.kind == "window" for item in plan.items)
        assert len(plan.standing) >= 2
        for item in plan.items:
            assert item.kind in CLASS_OF
            assert item.top < plan.height
        owners = [item for item in plan.standing if item.kind in ("bed", "sofa", "wardrobe", "shelf", "chest")]
        for number, one in enumerate(owners):
            assert (np.array([one.x, one.y]) - one.reach > 0).all()
            assert (np.array([one.x, one.y]) + one.reach < (plan.width, plan.depth)).all()
            for other in owners[:number]:
                apart = np.abs(np.array([one.x - other.x, one.y - other.y])) - one.reach - other.reach
                assert apart.max() > 0


def test_shapes_stay_within_their_item():
    for seed in range(25):
        for item in draw_plan(np.random.default_rng(seed)).items:
            for mesh, _ in shape(item, np.random.default_rng(seed)):
                low, high = mesh.vertices.min(0), mesh.vertices.max(0)
                slack = 0.12 if item.kind in ("window", "desk", "door", "plant") else 0.06
                assert low[2] > -0.04
                cushion = 0.12 if item.kind in ("sofa", "armchair") else 0.02
                assert high[2] < item.height + cushion
                assert np.abs([low[0], high[0]]).max() < item.width / 2 + slack
                assert np.abs([low[1], high[1]]).max() < item.depth / 2 + slack


def test_meshes_face_outwards():
    """From outside, the winding of every face agrees with its normals, or the rasteriser would cull it."""
    room = Room(1, "synthetic", "train", 0)
    corners = room.geometry.vertices[room.geometry.faces]
    winding = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = room.geometry.normals[room.geometry.faces].mean(1)
    large = np.linalg.norm(winding, axis=1) > 1e-7
    assert ((winding * normals).sum(1)[large] > 0).mean() > 0.999


@needs_tracer
def test_a_fresh_process_writes_the_same_bytes_in_another_order_and_count(sets, tmp_path):
    code = (
        "import sys; from pathlib import Path; from bench.contracts import *\n"
        "from bench.worlds.rooms import Rooms\n"
        "world, root = Rooms(Rooms.Config(samples_per_pixel=2)), Path(sys.argv[1])\n"
        f"world.sample(SplitRequest('real', 'train', 9, {SIZE}, 1), 5)\n"
        "for domain in ('real', 'synthetic'):\n"
        f"    world.image_set(SplitRequest(domain, 'train', 2, {SIZE}, 1), Context(5, root / domain))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for here, there in (("train", "real"), ("synthetic", "synthetic")):
        ours, theirs = files(sets[here].records[0].root), files(tmp_path / there)
        assert len(theirs) == 2 * len(KINDS)
        assert theirs.items() <= ours.items()


@needs_tracer
def test_one_sample_alone_is_the_one_of_the_set(sets):
    jpeg, _ = world().sample(request("real", "test", 1), 3)
    assert jpeg == sets["test"].records[3].path.read_bytes()
    assert decode(jpeg).shape == (SIZE, SIZE, 3)


def test_without_the_path_tracer_it_is_skipped_and_real_images_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(pathtrace, "missing", lambda: "package mitsuba is not installed")
    assert "mitsuba" in Rooms.skip()
    with pytest.raises(UsageError, match="rooms cannot render real images: package mitsuba"):
        world().image_set(request("real"), Context(0, tmp_path / "real"))


def test_the_plug_in_is_found():
    assert find("world", "rooms").load() is Rooms
