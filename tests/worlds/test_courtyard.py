"""Courses: nothing overlaps, every one can be flown; poses keep clear; free distances and motion blur by hand."""

from itertools import combinations

import numpy as np
import pytest

from bench.formats.courses import GroundPlan
from bench.worlds.courtyard.distances import DIRECTIONS, edges, free_distances
from bench.worlds.courtyard.flight import HEIGHT, Pose, frames
from bench.worlds.courtyard.lattice import OFFSETS, RADIUS, flyable, nodes, positions
from bench.worlds.courtyard.layout import draw_layout
from bench.worlds.courtyard.materials import surface
from bench.worlds.courtyard.motion import blurred, flow
from bench.worlds.courtyard.obstacles import CLASSES, GAP, WIDTH
from bench.worlds.courtyard.shapes import shape

WALL = CLASSES.index("wall")


@pytest.fixture(scope="module")
def layouts():
    return [draw_layout(np.random.default_rng(seed), 24.0, 0.7) for seed in range(20)]


def test_obstacles_stand_apart_and_inside(layouts):
    """Outlines are walked point by point: no point of one thing is nearer than the gap to another."""
    for layout in layouts:
        for one, other in combinations(layout.obstacles, 2):
            assert np.hypot(one.x - other.x, one.y - other.y) > GAP
        for thing in layout.obstacles:
            around = np.linspace(0, 2 * np.pi, 60)
            reach = thing.radius + np.hypot(thing.half_length, thing.half_width)
            ring = np.stack([thing.x + reach * np.cos(around), thing.y + reach * np.sin(around)], -1)
            others = [other.footprint for other in layout.obstacles if other is not thing]
            assert GroundPlan(99.0, 0.0, 99.0, np.array(others)).clearance(ring).min() > GAP - reach
            assert abs(thing.y) < WIDTH / 2


def test_every_kind_occurs_and_courses_differ(layouts):
    kinds = {thing.kind for layout in layouts for thing in layout.obstacles}
    assert kinds == set(CLASSES) - {"ground", "sky"}
    assert len({layout.obstacles for layout in layouts}) == len(layouts)
    assert all(12 <= len(layout.obstacles) <= 30 for layout in layouts)


def test_every_course_can_be_flown_but_not_blindly(layouts):
    straight = []
    for layout in layouts:
        assert flyable(layout.plan)
        straight += [layout.plan.passable((0.0, y), (24.0, y), RADIUS) for y in OFFSETS]
    assert np.mean(straight) < 0.3


def test_a_closed_course_is_not_flyable():
    barrier = (10.0, 0.0, np.pi / 2, 4.0, 0.2, 0.0)
    assert not flyable(GroundPlan(8.0, 24.0, 38.0, np.array([barrier])))
    assert flyable(GroundPlan(8.0, 24.0, 38.0, np.array([(10.0, -1.5, np.pi / 2, 2.4, 0.2, 0.0)])))


def test_nodes_are_all_free_places_and_no_other(layouts):
    for layout in layouts:
        place, found = positions(24.0), set(nodes(layout.plan))
        assert place.shape == (17, 9, 2)
        assert place[2, 1].tolist() == [3.0, -2.25]
        for row in range(17):
            for column in range(9):
                assert ((row, column) in found) == (layout.plan.clearance(place[row, column]) >= RADIUS)


def test_shapes_fill_their_footprints_where_the_quadcopter_flies(layouts):
    """From 0.4 to 1.9 m no vertex is off the footprint by more than 2 cm; all reach from knee height past 2 m."""
    for thing in layouts[0].obstacles:
        plan = GroundPlan(99.0, 0.0, 99.0, np.array([thing.footprint]))
        above = ("leaves", "lamp") if thing.kind != "foliage" else ()
        parts = shape(thing, np.random.default_rng(0))
        vertices = np.concatenate([mesh.vertices for mesh, role in parts if role not in above])
        beside = vertices[(vertices[:, 2] > 0.4) & (vertices[:, 2] < 1.9)]
        assert plan.clearance(beside[:, :2]).max(initial=0.0) < 0.02
        assert vertices[:, 2].max() >= 2.0
        assert vertices[:, 2].min() < 0.35


def test_crowns_hang_above_the_quadcopter(layouts):
    for layout in layouts[:4]:
        for thing in layout.obstacles + layout.backdrop:
            if thing.kind == "trunk":
                crown = [mesh for mesh, role in shape(thing, np.random.default_rng(1)) if role == "leaves"]
                assert min(mesh.vertices[:, 2].min() for mesh in crown) > 2.2


def test_normals_of_crowns_and_bushes_point_outwards(layouts):
    trees = [thing for thing in layouts[0].obstacles if thing.kind in ("trunk", "foliage")]
    for thing in trees:
        for mesh, role in shape(thing, np.random.default_rng(2)):
            if role != "leaves":
                continue
            assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1.0)
            a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
            face = np.cross(b - a, c - a)
            solid = np.linalg.norm(face, axis=1) > 1e-9
            along = (face * mesh.normals[mesh.faces].mean(1)).sum(1)[solid]
            assert (along > 0).mean() > 0.9


def test_flights_keep_clear_and_go_ahead(layouts):
    for seed, layout in enumerate(layouts):
        flight = frames(layout.plan, 8, np.random.default_rng(seed))
        assert len(flight) == 8
        assert layout.plan.clearance([(pose.x, pose.y) for pose in flight]).min() > 0.3
        along = [pose.x for pose in flight]
        assert along == sorted(along)
        assert all(abs(pose.z - HEIGHT) < 0.31 for pose in flight)


def test_a_single_frame_is_a_flight_too(layouts):
    assert len(frames(layouts[0].plan, 1, np.random.default_rng(0))) == 1


def wall_view(pose, size=48, ahead=5.0):
    """Depth, semantics and rays of a camera in front of an endless wall at x = ``ahead``, by plane intersection."""
    camera = pose.camera(size)
    rays = camera.rays()
    depth = (ahead - pose.x) / rays[..., 0]
    return depth, np.full(depth.shape, WALL, np.uint8), rays


@pytest.mark.parametrize(
    "pose",
    [Pose(0, 0, 1.4, 0, 0, 0), Pose(0, 1, 1.2, 0.2, 0, 0), Pose(1, 0, 1.4, -0.1, 0.06, 0.08)],
    ids=["level", "turned", "unrest"],
)
def test_free_distances_to_a_wall(pose):
    """The nearest point of a wall at 5 m is 5 / cos(angle) away, at the sector's edge that is nearer to its normal."""
    free = free_distances(*wall_view(pose), pose.heading)
    bounds = edges() + pose.heading
    for k in range(DIRECTIONS):
        nearest = 0.0 if bounds[k] > 0 > bounds[k + 1] else min(abs(bounds[k]), abs(bounds[k + 1]))
        assert free[k] == pytest.approx((5 - pose.x) / np.cos(nearest), rel=0.03)


def test_only_obstacles_at_the_cameras_height_count():
    pose = Pose(0, 0, 1.4, 0, 0, 0)
    depth, semantic, rays = wall_view(pose)
    height = pose.z + (rays * depth[..., None])[..., 2]
    low = np.where(height < 0.85, semantic, CLASSES.index("ground")).astype(np.uint8)
    assert (free_distances(depth, low, rays, 0.0) == 20).all()
    left = np.where(rays[..., 1] > 0, semantic, CLASSES.index("sky")).astype(np.uint8)
    free = free_distances(depth, left, rays, 0.0)
    assert (free[:8] < 8).all()
    assert (free[8:] == 20).all()
    assert (free_distances(np.where(depth > 0, 0.0, depth), semantic, rays, 0.0) == 20).all()
    assert (free_distances(*wall_view(pose, ahead=30.0), 0.0) == 20).all()


def test_roll_turns_the_right_side_down():
    """A point to the right of the camera and level with it appears higher when the right side has gone down."""
    point = np.array([[5.0, -2.0, 1.4]])
    level = Pose(0, 0, 1.4, 0, 0, 0).camera(64).project(point)[0]
    rolled = Pose(0, 0, 1.4, 0, 0, 0.2).camera(64).project(point)[0]
    assert level[1] == pytest.approx(32)
    assert rolled[1] == pytest.approx(32 - (level[0] - 32) * np.sin(0.2))


def test_heading_and_pitch():
    towards = Pose(0, 0, 1, 0.3, 0.1, 0).camera(64).axes[2]
    assert np.arctan2(towards[1], towards[0]) == pytest.approx(0.3)
    assert np.arcsin(towards[2]) == pytest.approx(0.1)


def test_flow_by_hand():
    """0.1 m ahead: what is 2 m away and 10 pixels off the centre streams by half a pixel; turns add the same to all."""
    depth = np.full((21, 31), 2.0)
    depth[10, 0] = 0.0
    streaming = flow(depth, 20.0, 0.1, (0.0, 0.0))
    assert streaming[:, 10, 25] == pytest.approx([0.0, 0.5])
    assert streaming[:, 0, 15] == pytest.approx([-0.5, 0.0])
    assert streaming[:, 10, 0].tolist() == [0.0, 0.0]
    turned = flow(depth, 20.0, 0.1, (0.05, -0.1))
    assert turned - streaming == pytest.approx(np.broadcast_to(np.array([1.0, -2.0])[:, None, None], turned.shape))


def test_blur_averages_along_the_flow():
    """An edge blurred by 4 pixels becomes a ramp through the five moments; what does not stream stays as it is."""
    light = np.zeros((9, 20, 3))
    light[:, 10:] = 1.0
    across = np.zeros((2, 9, 20))
    across[1] = 4.0
    assert blurred(light, across)[4, 7:13, 0] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert blurred(light, across[::-1]) == pytest.approx(light)


def test_materials_differ_by_look_and_place():
    plain, (here, there) = surface("bark", 0, "synthetic", 1), (surface("bark", 0, "real", place) for place in (1, 2))
    assert len({plain, here, there}) == 3
    assert surface("bark", 0, "synthetic", 2) == plain
    assert plain.texture.std((0, 1)).mean() < 0.7 * here.texture.std((0, 1)).mean()
    assert not (here.texture == there.texture).all()
