"""Sun, sky and rolled cameras of the path tracer: radiance by hand, directions, and agreement with the rasteriser."""

import numpy as np
import pytest
from scipy import ndimage

from bench.worlds.rendering import pathtrace
from bench.worlds.rendering.gbuffer import gbuffer
from bench.worlds.rendering.mesh import box, quad
from bench.worlds.rendering.pathtrace import Sky, Sun, Tracer, trace
from bench.worlds.rendering.raster import rasterise
from bench.worlds.rendering.scene import Camera, Geometry, Part, Surface

pytestmark = pytest.mark.skipif(pathtrace.missing() is not None, reason=str(pathtrace.missing()))
SIZE = 24
GREY = Part(quad((-50, -50, 0), (100, 0, 0), (0, 100, 0)), Surface("outdoors/grey", (0.5, 0.5, 0.5)))
BLACK = Sky(np.zeros((8, 16, 3)))


def look(parts, camera):
    geometry = Geometry.of(parts)
    return gbuffer(geometry, parts, camera, rasterise(geometry, camera).nearest(camera.height, camera.width))


def test_sunlit_ground_by_hand():
    """A diffuse plane of albedo .5**2.2 under irradiance E at elevation 30 degrees: albedo E sin(30) / pi, on average.

    A path asks the sun or the (black) sky, each half of the time.
    """
    camera = Camera.looking((0, 0, 2), (1, 0, 0), 40, SIZE)
    sun = Sun((np.cos(np.pi / 6), 0.0, 0.5), (4.0, 2.0, 1.0))
    seen = trace([GREY], [sun], BLACK, camera, look([GREY], camera), samples=16, seed=1, denoise=False)
    expected = 0.5**2.2 * np.array((4.0, 2.0, 1.0)) * 0.5 / np.pi
    assert seen.mean((0, 1)) == pytest.approx(expected, rel=0.03)
    assert (seen <= 2 * expected * 1.001).all()


def test_the_sun_throws_its_shadow_away_from_itself():
    """A post at the origin, the sun low over +x: dark on the -x side, light on the +x side."""
    post = Part(box(0.5, 0.5, 2.0), Surface("outdoors/post", (0.5, 0.5, 0.5)))
    sun, parts = Sun((1.0, 0.0, 1.0), (3.0, 3.0, 3.0)), [GREY, post]
    camera = Camera.looking((0.01, 0, 12), (0, 0, 0), 30, 48)
    seen = trace(parts, [sun], BLACK, camera, look(parts, camera), samples=16, seed=1, bounces=1, denoise=False)
    places = camera.project(np.array([[-1.2, 0.0, 0.0], [1.2, 0.0, 0.0]])).astype(int)
    shaded, lit = (seen[row, column].mean() for column, row in places)
    assert shaded == 0
    assert lit > 0.1


@pytest.mark.parametrize(
    ("target", "row", "column"),
    [((0, 1, 0), 4, 0), ((1, 0, 0), 4, 4), ((0, -1, 0), 4, 8), ((-1, 0, 0), 4, 12), ((0.001, 0, 1), 0, None)],
    ids=["+y", "+x", "-y", "-x", "up"],
)
def test_the_sky_is_where_its_columns_say(target, row, column):
    """One bright patch on a dark sky: a narrow camera that looks there sees it, and others do not."""
    radiance = np.zeros((8, 16, 3))
    if column is None:
        radiance[row] = 1.0
    else:
        radiance[row - 1 : row + 1, [column - 1, column]] = 1.0
    far = Part(box(0.1, 0.1, 0.1).moved(offset=(0, 0, -90)), Surface("outdoors/far", (0.5, 0.5, 0.5)))
    tracer = Tracer([far], [], Sky(radiance))
    eye = np.zeros(3)
    for sign, bright in ((1, True), (-1, False)):
        camera = Camera.looking(eye, eye + sign * np.array(target, float), 5, 8)
        seen = tracer.render(camera, look([far], camera), samples=4, seed=0, denoise=False).mean()
        assert (seen > 0.8) == bright
        assert bright or seen < 0.05


def test_a_loaded_scene_gives_what_loading_it_for_each_view_gives():
    post = Part(box(0.5, 0.5, 2.0), Surface("outdoors/post", (0.5, 0.5, 0.5)))
    sun, sky, parts = Sun((1.0, 0.3, 1.0), (3.0, 3.0, 3.0)), Sky(np.full((8, 16, 3), 0.4)), [GREY, post]
    tracer = Tracer(parts, [sun], sky)
    for place in ((3, 3, 1), (-3, 2, 2)):
        camera = Camera.looking(place, (0, 0, 1), 60, SIZE)
        guide = look(parts, camera)
        once = trace(parts, [sun], sky, camera, guide, samples=2, seed=5)
        assert (tracer.render(camera, guide, samples=2, seed=5) == once).all()


@pytest.mark.parametrize("roll", [0.0, 0.4, -1.0])
def test_a_rolled_camera_traces_what_it_rasterises(roll):
    """A bright leaning board before a black sky: what is inside its rasterised outline is lit, nothing else."""
    board = Part(quad((5, 1.0, 0.2), (0, -2.5, 0.3), (0, 0.2, 1.2)), Surface("outdoors/board", (0.9, 0.9, 0.9)))
    camera = Camera.looking((0, 0, 1), (5, 0.3, 1), 60, 64, roll)
    guide = look([board], camera)
    sun = Sun((-1.0, 0.0, 0.2), (5.0, 5.0, 5.0))
    lit = trace([board], [sun], BLACK, camera, guide, samples=16, seed=0, denoise=False).mean(-1) > 0
    assert 200 < guide.hit.sum() < 2000
    assert lit[ndimage.binary_erosion(guide.hit)].all()
    assert not lit[~ndimage.binary_dilation(guide.hit)].any()
    assert camera.axes @ camera.axes.T == pytest.approx(np.eye(3))
