"""Meshes against closed-form volumes, and every mesh's winding against its normals."""

import numpy as np
import pytest

from bench.worlds.fridge.cabinet import Machine
from bench.worlds.fridge.materials import VARIANTS, meshes
from bench.worlds.fridge.products import PRODUCTS
from bench.worlds.rendering.mesh import Mesh, box, cushion, lathe, merge, quad, turn_x, turn_z


def volume(mesh: Mesh) -> float:
    """Signed volume by the divergence theorem; positive when faces turn counter-clockwise seen from outside."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def test_a_box_has_its_volume_and_faces_outwards():
    assert volume(box(0.2, 0.3, 0.5)) == pytest.approx(0.03)


def test_a_lathed_cylinder_has_the_volume_of_its_prism():
    radius, height, sides = 0.04, 0.1, 24
    shell = [[(0, 0), (radius, 0)], [(radius, 0), (radius, height)], [(radius, height), (0, height)]]
    prism = sides / 2 * radius**2 * np.sin(2 * np.pi / sides) * height
    assert volume(lathe(shell, sides)) == pytest.approx(prism)


def test_a_lathed_cone_has_the_volume_of_its_pyramid():
    sides = 30
    pyramid = sides / 2 * 0.05**2 * np.sin(2 * np.pi / sides) * 0.12 / 3
    assert volume(lathe([[(0, 0), (0.05, 0)], [(0.05, 0), (0, 0.12)]], sides)) == pytest.approx(pyramid)


def test_a_quad_faces_right_cross_up_and_prints_upright():
    wall = quad((-1, 0, 0), (2, 0, 0), (0, 0, 3), (2, 1))
    assert wall.normals.tolist() == [[0, -1, 0]] * 4
    corner = {tuple(uv): tuple(v) for uv, v in zip(wall.uv.tolist(), wall.vertices.tolist(), strict=True)}
    assert corner == {(0, 0): (-1, 0, 0), (2, 0): (1, 0, 0), (2, 1): (1, 0, 3), (0, 1): (-1, 0, 3)}


def test_prints_run_left_to_right_on_round_packs():
    """Seen from the front (-y), x grows to the right, and so must u."""
    can = lathe([[(1.0, 0.0), (1.0, 1.0)]], sides=36)
    front = (can.normals[:, 1] < -0.9) & (can.vertices[:, 2] == 0)
    order = np.argsort(can.vertices[front, 0])
    assert (np.diff(can.uv[front, 0][order]) > 0).all()
    assert can.uv[can.vertices[:, 2] == 1, 1].tolist() == [1.0] * 37


def test_turning_and_merging():
    assert turn_z(np.pi / 2) @ [1, 0, 0] == pytest.approx([0, 1, 0])
    assert turn_x(np.pi / 2) @ [0, 0, 1] == pytest.approx([0, -1, 0])
    two = merge([box(1, 1, 1), box(1, 1, 1).moved(turn_z(0.3), (3, 0, 0))])
    assert volume(two) == pytest.approx(2.0)
    assert two.vertices[24:].mean(0) == pytest.approx([3, 0, 0.5])


def _all_meshes():
    for index, product in enumerate(PRODUCTS):
        for variant in (0, VARIANTS - 1):
            for mesh, role in meshes(index, variant):
                yield pytest.param(mesh, id=f"{product.name}-{role}-{variant}")
    for part in Machine.of(1).parts("synthetic"):
        yield pytest.param(part.mesh, id=part.surface.key)
    yield pytest.param(cushion(0.1, 0.2, 0.05, np.random.default_rng(0)), id="cushion")


@pytest.mark.parametrize("mesh", list(_all_meshes()))
def test_faces_and_normals_agree(mesh):
    """The rasteriser culls by winding and shades by normals: they must say the same."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    facing = np.cross(b - a, c - a)
    area = np.linalg.norm(facing, axis=1)
    agreement = (facing * mesh.normals[mesh.faces].mean(1)).sum(1)
    assert (agreement[area > 1e-10] > 0).all()
    assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("index", range(len(PRODUCTS)), ids=[product.name for product in PRODUCTS])
def test_products_fit_into_the_footprint_that_the_layout_keeps_free(index):
    product = PRODUCTS[index]
    for variant in range(VARIANTS):
        corners = np.concatenate([mesh.vertices for mesh, _ in meshes(index, variant)])
        reach = np.abs(corners).max(0)
        if product.round:
            assert np.hypot(corners[:, 0], corners[:, 1]).max() <= product.radius + 1e-9
        assert reach[0] <= product.width / 2 + 1e-9
        assert reach[1] <= product.depth / 2 + 1e-9
        assert corners[:, 2].min() > -0.004
        assert product.height - 0.016 <= corners[:, 2].max() <= product.height + 1e-9
