"""The objects of the linemod world: closed, of like size, none turned onto itself; the room that they stand in."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bench.worlds.objects.backgrounds import photograph_like
from bench.worlds.objects.catalogue import LARGEST, NAMES, model
from bench.worlds.objects.materials import PATTERNS, object_surface, pattern
from bench.worlds.objects.poses import View
from bench.worlds.objects.sensor import measured, relative
from bench.worlds.objects.solids import ball, block, prism, rod, scaled, tube
from bench.worlds.objects.table import TARGET, draw_lamps, object_parts, surroundings, uncovered
from bench.worlds.rendering.mesh import turn_z
from bench.worlds.rendering.raster import rasterise
from bench.worlds.rendering.scene import Geometry
from bench.worlds.rendering.shading import flat_lambert
from bench.worlds.rendering.visible import visible_fraction, visible_scene

VIEW = View(azimuth=-1.0, elevation=0.6, roll=0.2, distance=0.8)
SOLIDS = {
    "ball": (ball((1, 2, 3), (1, 2, 3), 32), 4 / 3 * np.pi * 6),
    "block": (block((1, 0, 0), (2, 3, 4)), 24.0),
    "cylinder": (rod((0, 1, 0), (3, 1, 4), 0.5, sides=48), np.pi * 0.25 * 5),
    "cone": (rod((0, 0, 0), (0, 2, 0), 1.0, 0.0, 48), np.pi * 2 / 3),
    "prism": (prism([(0, 0), (2, 0), (2, 1), (0, 1)], 1, 4), 6.0),
    "frustum": (prism([(0, 0), (2, 0), (2, 2), (0, 2)], 0, 3, 0.5), 7.0),
    "tube": (tube([(0, 0, 0), (0, 0, 2), (0, 0, 4)], 0.5, 48), np.pi),
}


def volume(mesh):
    """Divergence theorem: positive and exact only for a closed mesh whose faces all look outwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return (a * np.cross(b, c)).sum() / 6


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_are_closed_and_as_large_as_they_say(name):
    mesh, expected = SOLIDS[name]
    assert volume(mesh) == pytest.approx(expected, rel=0.03)
    assert volume(mesh.moved(offset=(50, 20, -30))) == pytest.approx(expected, rel=0.03)  # a gap would show here
    assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    faces = np.cross(b - a, c - a)
    large = np.linalg.norm(faces, axis=1) > 1e-3
    assert ((faces * mesh.normals[mesh.faces[:, 0]]).sum(1)[large] > 0).all()


def test_stretching_keeps_normals_on_the_surface():
    mesh = scaled(ball((0, 0, 0), 1.0, 24), (1, 2, 3))
    gradient = mesh.vertices / np.array([1, 4, 9])
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    inner = np.abs(mesh.vertices[:, 2]) < 2.9  # at the poles one-sided differences make the normals
    assert (mesh.normals * gradient).sum(1)[inner].min() > 0.99


def test_a_bent_tube_passes_its_points():
    points = [(0, 0, 0), (2, 0, 1), (3, 2, 2), (3, 4, 0)]
    vertices = tube(points, 0.3).vertices
    for point in points[1:-1]:  # the ends are closed
        assert np.linalg.norm(vertices - point, axis=1).min() == pytest.approx(0.3, abs=0.02)


def test_there_are_eleven_objects_of_like_size_around_their_origin():
    assert len(NAMES) == 11
    for index in range(11):
        made = model(index)
        points = np.concatenate([piece.mesh.vertices for piece in made.pieces])
        assert points.min(0) + points.max(0) == pytest.approx(np.zeros(3), abs=1e-9)
        assert np.linalg.norm(points, axis=1).max() * 2 == pytest.approx(made.diameter)
        assert 0.10 <= np.ptp(points, axis=0).max() <= 0.165
        assert made.diameter <= LARGEST + 1e-9
        assert points[:, 2].min() == pytest.approx(made.bottom)
        assert len({piece.colour for piece in made.pieces}) >= 3
        for piece in made.pieces:
            assert volume(piece.mesh) > 0


def shown(index, view, spin=None):
    place = None
    if spin is not None:
        place = np.eye(4)
        place[:3, :3] = spin
    parts, buffer = visible_scene(object_parts(index, view, real=False, place=place), view.camera(32), 0.0)
    image = flat_lambert(buffer, parts, light=(0, -1, 0), background=(0, 0, 0)).astype(float)
    return image, buffer.instance == TARGET, relative(buffer.depth, view.distance)


@pytest.mark.parametrize("index", range(11), ids=NAMES)
def test_no_turn_brings_an_object_onto_itself(index):
    """Half and quarter turns about each axis, seen from two sides: colour and depth both tell them apart."""
    views = [View(-np.pi / 2 + 0.5, 0.6, 0.0, 0.8), View(0.4, 1.1, 0.0, 0.8)]
    before = [shown(index, view) for view in views]
    for axis in np.eye(3):
        for angle in (np.pi, np.pi / 2, -np.pi / 2):
            spin = Rotation.from_rotvec(angle * axis).as_matrix()
            colour, geometry = [], []
            for view, (image, mask, depth) in zip(views, before, strict=True):
                turned, turned_mask, turned_depth = shown(index, view, spin)
                either = mask | turned_mask
                colour.append(np.abs(image - turned)[either].mean())
                geometry.append(np.abs(depth - turned_depth)[either].mean())
            assert max(colour) > 20  # grey levels of 255
            assert max(geometry) > 0.01  # metres


def test_objects_differ_from_each_other():
    images = [shown(index, VIEW)[0] for index in range(11)]
    for i in range(11):
        for j in range(i):
            either = (images[i] + images[j]).sum(-1) > 0
            assert np.abs(images[i] - images[j])[either].mean() > 30


def test_the_quaternion_of_a_known_view():
    """Seen from its front (-y), level: the object's x is right, its z is up = -y of the camera."""
    front = View(azimuth=-np.pi / 2, elevation=1e-9, roll=0.0, distance=1.0)
    half = np.sqrt(0.5)
    assert front.quaternion == pytest.approx([half, half, 0, 0], abs=1e-6)
    assert front.turn == pytest.approx(np.eye(3), abs=1e-6)
    rolled = View(azimuth=-np.pi / 2, elevation=1e-9, roll=np.pi / 4, distance=1.0)
    difference = Rotation.from_matrix(rolled.turn @ front.turn.T)
    assert np.degrees(difference.magnitude()) == pytest.approx(45)
    assert np.linalg.det(VIEW.turn) == pytest.approx(1)


def test_relative_depth_has_the_centre_in_its_middle_and_no_unknown():
    depth = np.array([[0.0, 0.8, 0.85, 2.0, 0.5]])
    assert relative(depth, 0.8) == pytest.approx(np.array([[0.4, 0.2, 0.25, 0.4, 0.001]]))


def test_a_measured_depth_has_noise_steps_and_losses_only_at_edges():
    depth = np.full((80, 80), 0.8)
    depth[:, 40:] = 1.0
    got = measured(depth, np.random.default_rng(3))
    inner = np.r_[0:38, 42:80]
    error = (got - depth)[:, inner]
    assert (got[:, inner] > 0).all()
    assert error.std() == pytest.approx(np.hypot(0.002, 0.002 / np.sqrt(12)), rel=0.1)
    assert (got / 0.002) == pytest.approx(np.rint(got / 0.002))
    assert 0.1 < (got[:, 39:41] == 0).mean() < 0.3
    assert (measured(np.zeros((8, 8)), np.random.default_rng(0)) == 0).all()


def test_clutter_stands_beside_the_object_and_what_hides_too_much_is_taken_away():
    dropped = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        view = View.draw(rng)
        camera = view.camera(32)
        parts = object_parts(seed, view, real=True) + surroundings(seed, view, rng)
        kept = uncovered(parts, camera, 0.8)
        geometry = Geometry.of(kept)
        owner = np.array([part.instance for part in kept])[geometry.part]
        assert visible_fraction(rasterise(geometry, camera), owner, camera)[TARGET] >= 0.8
        assert [p for p in parts if p.instance <= TARGET] == [p for p in kept if p.instance <= TARGET]
        assert len({part.instance for part in kept}) > 2
        dropped += len(parts) - len(kept)
    assert dropped > 0


def test_real_surfaces_are_worn_and_synthetic_ones_plain():
    for index in range(11):
        for piece in range(len(model(index).pieces)):
            assert object_surface(index, piece, "synthetic").texture is None
            texture = object_surface(index, piece, "real").texture
            assert texture.std((0, 1)).max() > 2
    textures = {pattern(number).texture.tobytes() for number in range(PATTERNS)}
    assert len(textures) == PATTERNS


def test_backgrounds_vary_and_have_the_correlations_of_photographs():
    images = [photograph_like(64, np.random.default_rng(seed)) for seed in range(24)]
    assert images[0].shape == (64, 64, 3)
    assert (images[0] == photograph_like(64, np.random.default_rng(0))).all()
    assert photograph_like(33, np.random.default_rng(1)).shape == (33, 33, 3)
    means = np.array([image.mean((0, 1)) for image in images])
    assert means.std(0).min() > 15
    near = [np.corrcoef(i[:, 1:, 1].ravel(), i[:, :-1, 1].ravel())[0, 1] for i in images]
    assert np.median(near) > 0.6  # neighbouring pixels resemble each other, white noise would give 0


def test_places_turn_before_the_view():
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = turn_z(0.7), (0.1, 0, 0)
    moved, still = (object_parts(0, VIEW, real=False, place=p)[0].mesh.vertices for p in (place, None))
    expected = (still @ VIEW.turn @ turn_z(0.7).T + (0.1, 0, 0)) @ VIEW.turn.T
    assert moved == pytest.approx(expected)


def test_no_lamp_stands_before_the_camera():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        view = View.draw(rng)
        lamps, glow = draw_lamps(view, rng)
        assert 1 <= len(lamps) <= 2
        assert min(glow) > 0
        for lamp in lamps:
            centre, towards = np.array(lamp.centre), np.array(lamp.towards)
            assert centre @ view.turn[:, 2] > 0.4  # above the table
            assert np.cross(centre, towards) == pytest.approx(np.zeros(3), abs=1e-9)  # it shines on the object
            assert (np.array([0, -view.distance, 0]) - centre) @ towards > 0  # the camera is on its bright side
