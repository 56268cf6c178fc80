"""The rasteriser against hand-computed projections and against a ray caster that shares no code with it."""

import numpy as np
import pytest

from bench.worlds.rendering.gbuffer import base_colour, gbuffer
from bench.worlds.rendering.mesh import Mesh, box, quad
from bench.worlds.rendering.raster import rasterise
from bench.worlds.rendering.scene import Camera, Geometry, Part, Surface
from bench.worlds.rendering.shading import flat_lambert
from bench.worlds.rendering.visible import visible_fraction, visible_scene

EYE = Camera(np.zeros(3), np.array([0.0, 1.0, 0.0]), 50.0, 100, 100)
"""At the origin, looking along +y; x to the right, z up; 50 pixels of focal length."""
GREY = Surface("grey", (0.5, 0.5, 0.5))


def wall(distance, half=1.0, x=0.0, surface=GREY, instance=0):
    return Part(quad((x - half, distance, -half), (2 * half, 0, 0), (0, 0, 2 * half)), surface, instance)


def buffer_of(parts, camera=EYE):
    geometry = Geometry.of(parts)
    return gbuffer(geometry, parts, camera, rasterise(geometry, camera).nearest(camera.height, camera.width))


def test_projection_by_hand():
    points = np.array([[1.0, 10.0, 2.0], [0.0, 4.0, 0.0], [-1.0, 2.0, 1.0]])
    assert EYE.project(points).tolist() == [[55, 40], [50, 50], [25, 25]]
    assert EYE.to_camera(points)[:, 2].tolist() == [10, 4, 2]


def test_margin_shows_the_same_view_further_out():
    point = np.array([[0.3, 5.0, -0.2]])
    assert EYE.with_margin(7).project(point) == pytest.approx(EYE.project(point) + 7)


def test_field_of_view():
    camera = Camera.looking((0, 0, 0), (0, 1, 0), 90, 64)
    assert camera.focal == pytest.approx(32)
    assert camera.project(np.array([[1.0, 1.0, 1.0]])) == pytest.approx(np.array([[64, 0]]))


def test_a_square_covers_exactly_its_pixels():
    """2 m at 10 m and 50 px: 10 px, from 45 to 55."""
    seen = buffer_of([wall(10)])
    expected = np.zeros((100, 100), bool)
    expected[45:55, 45:55] = True
    assert (seen.hit == expected).all()
    assert seen.depth[expected] == pytest.approx(10)
    assert (seen.depth[~expected] == 0).all()
    assert seen.normal[50, 50] == pytest.approx([0, -1, 0])


def test_depth_of_a_box_by_hand():
    """Its front at 4 m spans 50 * 1.04 / 4 = 13 px to either side."""
    cube = Part(box(2.08, 1, 0.5).moved(offset=(0, 4.5, -1.0)), GREY)
    seen = buffer_of([cube])
    front = np.abs(np.arange(100) + 0.5 - 50) < 13
    assert (seen.hit[60] == front).all()
    assert seen.depth[60][front] == pytest.approx(4)
    # The top at z = -0.5: the ray of row r falls (r + 0.5 - 50) / 50 per metre; from 5 m (55.0) to 4 m (56.25).
    assert seen.depth[55, 50] == pytest.approx(0.5 / (5.5 / 50))
    assert not seen.hit[54, 50]


def test_a_slanted_wall_has_its_depth_and_its_print():
    """The plane y = 4 + x, print coordinate u = (x + 1) / 2: perspective must bend u, not mix it along the screen."""
    part = Part(quad((-1, 3, -1), (2, 2, 0), (0, 0, 2)), GREY)
    seen = buffer_of([part])
    slope = (np.arange(100) + 0.5 - 50) / 50
    depth = np.broadcast_to(4 / (1 - slope), (100, 100))
    assert seen.hit.sum() > 500
    assert seen.depth[seen.hit] == pytest.approx(depth[seen.hit])
    x = (depth * slope)[seen.hit]
    assert seen.uv[seen.hit][:, 0] == pytest.approx((x + 1) / 2)


def test_the_nearest_wall_is_seen():
    seen = buffer_of([wall(10), wall(5, 0.25), wall(8)])
    assert seen.part[50, 50] == 1
    assert seen.part[50, 45] == 2
    assert seen.depth[50, 50] == pytest.approx(5)


def test_back_faces_are_not_drawn():
    mesh = wall(10).mesh
    turned = Part(Mesh(mesh.vertices, mesh.faces[:, ::-1], -mesh.normals, mesh.uv), GREY)
    assert not buffer_of([turned]).hit.any()


def test_what_reaches_behind_the_eye_is_cut():
    """A floor 1 m below, from behind the eye to the horizon: depth is 1 / slope of the ray in every row below it."""
    floor = Part(quad((-500, -5, -1), (1000, 0, 0), (0, 200, 0)), GREY)
    seen = buffer_of([floor])
    rows = np.arange(52, 100)
    assert not seen.hit[:50].any()
    assert seen.hit[rows].all()
    assert seen.depth[rows] == pytest.approx(np.broadcast_to((50 / (rows + 0.5 - 50))[:, None], (48, 100)))


def cast(triangles, camera):
    """Nearest front face per pixel by solving origin + t ray = a + u e1 + v e2 for each ray and triangle."""
    face = np.full((camera.height, camera.width), -1)
    depth = np.full((camera.height, camera.width), np.inf)
    rays = camera.rays()
    for number, (a, b, c) in enumerate(triangles):
        if np.dot(np.cross(b - a, c - a), a - camera.eye) >= 0:
            continue
        for row in range(camera.height):
            for column in range(camera.width):
                matrix = np.stack([b - a, c - a, -rays[row, column]], 1)
                u, v, t = np.linalg.solve(matrix, camera.eye - a)
                if u >= 0 and v >= 0 and u + v <= 1 and 0.02 < t < depth[row, column]:
                    face[row, column], depth[row, column] = number, t
    return face, depth


def test_random_triangles_agree_with_a_ray_caster():
    rng = np.random.default_rng(7)
    camera = Camera(np.array([0.2, -3.0, 0.4]), np.array([0.0, 0.0, 0.1]), 20.0, 24, 20)
    corners = rng.normal(0, 1.2, (40, 3, 3))  # some reach behind the eye
    flat = corners.reshape(-1, 3)
    mesh = Mesh(flat, np.arange(120).reshape(-1, 3), np.tile([0.0, -1.0, 0.0], (120, 1)), np.zeros((120, 2)))
    parts = [Part(mesh, GREY)]
    geometry = Geometry.of(parts)
    face = rasterise(geometry, camera).nearest(camera.height, camera.width)
    expected, depth = cast(corners, camera)
    assert (expected >= 0).mean() > 0.5
    assert (face == expected).all()
    seen = gbuffer(geometry, parts, camera, face)
    assert seen.depth[seen.hit] == pytest.approx(depth[seen.hit])


def test_visible_fraction_by_hand():
    """A 10 px square whose right half stands behind another, nearer one."""
    parts = [wall(10, instance=1), wall(5, 0.5, x=0.5, instance=2)]
    geometry = Geometry.of(parts)
    owner = np.array([1, 2])[geometry.part]
    assert visible_fraction(rasterise(geometry, EYE), owner, EYE).tolist() == [0, 0.5, 1]


def test_hidden_objects_are_taken_out_and_numbers_stay_true():
    hidden, front, back = wall(8, 0.4, instance=1), wall(5, 0.5, instance=2), wall(10, 1.6, instance=3)
    parts, seen = visible_scene([hidden, front, back], EYE, 0.25)
    assert parts == [front, back]
    assert seen.instance[50, 50] == 2
    assert parts[seen.part[50, 43]] is back
    assert seen.part[0, 0] == -1


def test_colours_come_from_the_right_texel():
    texture = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    part = wall(10, surface=Surface("four", texture=texture))
    colour = base_colour(buffer_of([part]), [part])
    corners = [colour[row, column].tolist() for row, column in ((46, 46), (46, 53), (53, 46), (53, 53))]
    assert corners == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]
    assert colour[0, 0].tolist() == [0, 0, 0]


def test_flat_shading_by_hand():
    """Light from 60 degrees off the normal: ambient 0.5 + 0.5 * cos 60 = 0.75 of the colour."""
    light = (np.sin(np.radians(60)), -np.cos(np.radians(60)), 0)
    part = wall(10, surface=Surface("orange", (1.0, 0.6, 0.0)))
    image = flat_lambert(buffer_of([part]), [part], light, ambient=0.5, background=(0.0, 0.0, 1.0))
    assert image[50, 50].tolist() == [191, 115, 0]
    assert image[0, 0].tolist() == [0, 0, 255]
