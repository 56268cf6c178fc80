"""The path tracer against closed-form radiance, and its silhouettes against the rasteriser's."""

import os
import subprocess
import sys

import numpy as np
import pytest

from bench.worlds.rendering import pathtrace
from bench.worlds.rendering.mesh import box, quad, turn_z
from bench.worlds.rendering.pathtrace import Lamp, trace
from bench.worlds.rendering.scene import Camera, Part, Surface
from bench.worlds.rendering.visible import visible_scene

needs_tracer = pytest.mark.skipif(pathtrace.missing() is not None, reason=str(pathtrace.missing()))
CAMERA = Camera.looking((0.0, -3.0, 0.9), (0.0, 0.0, 0.4), 35.0, 40)
BOX = Part(box(0.8, 0.8, 0.8).moved(turn_z(0.5)), Surface("tested box", (0.5, 0.6, 0.7)))


def traced(parts, lamps=(), ambient=(1.0, 1.0, 1.0), **options):
    _, guide = visible_scene(parts, CAMERA, 0.0)
    settings = {"samples": 4, "seed": 1, "bounces": 2, "denoise": False} | options
    return trace(parts, lamps, ambient, CAMERA, guide, **settings), guide


@needs_tracer
def test_a_convex_diffuse_body_under_even_light_shows_its_albedo():
    """Radiance out = albedo * radiance in, exactly, at every point of a convex body (no light comes from itself)."""
    image, guide = traced([BOX], ambient=(1.0, 2.0, 0.5), samples=16)
    inside = guide.hit & np.roll(guide.hit, 2, 0) & np.roll(guide.hit, -2, 0)
    inside &= np.roll(guide.hit, 2, 1) & np.roll(guide.hit, -2, 1)
    expected = np.array([0.5, 0.6, 0.7]) ** 2.2 * (1.0, 2.0, 0.5)
    assert inside.sum() > 100
    assert np.median(image[inside], axis=0) == pytest.approx(expected, rel=0.03)
    assert image[0, 0] == pytest.approx([1.0, 2.0, 0.5])


@needs_tracer
def test_silhouettes_lie_where_the_labels_say():
    image, guide = traced([BOX], samples=64)
    dark = image.mean(-1) < 0.62  # half way between the box's 0.24 and the surroundings' 1
    shifts = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    here, *elsewhere = [(np.roll(dark, shift, (0, 1)) != guide.hit).sum() for shift in shifts]
    assert here <= 10
    assert min(elsewhere) > here + 10


@needs_tracer
def test_a_lamp_lights_a_floor_by_the_law_of_the_cosine():
    """A small lamp of area A and radiance L, h above a floor of albedo a, gives a / pi * L * A / h^2 below it."""
    floor = Part(quad((-3, -3, 0), (6, 0, 0), (0, 6, 0)), Surface("tested floor", (0.7, 0.7, 0.7)))
    lamp = Lamp((0.0, 0.0, 2.0), (0.2, 0.1), (0.0, 0.0, -1.0), (60.0, 60.0, 60.0))
    camera_row, camera_column = np.floor(CAMERA.project(np.zeros((1, 3)))[0][::-1]).astype(int)
    image, _ = traced([floor], [lamp], (0.0, 0.0, 0.0), samples=128)
    near = image[camera_row - 1 : camera_row + 2, camera_column - 1 : camera_column + 2]
    assert near.mean() == pytest.approx(0.7**2.2 / np.pi * 60 * 0.02 / 4, rel=0.03)


@needs_tracer
def test_denoising_comes_closer_to_many_samples_than_the_same_few_without():
    lamp = Lamp((0.5, -0.5, 2.0), (0.6, 0.3), (-0.1, 0.1, -1.0), (9.0, 9.0, 9.0))
    scene = [BOX, Part(quad((-3, -3, 0), (6, 0, 0), (0, 6, 0)), Surface("tested floor", (0.7, 0.7, 0.7)))]
    few, clean, many = (
        traced(scene, [lamp], (0.1, 0.1, 0.1), samples=samples, denoise=denoise, seed=seed)[0]
        for samples, denoise, seed in ((2, False, 1), (2, True, 1), (256, False, 2))
    )
    assert np.abs(clean - many).mean() < 0.5 * np.abs(few - many).mean()


@needs_tracer
def test_prints_are_upright_and_seeds_decide():
    texture = np.zeros((8, 8, 3), np.uint8)
    texture[:4] = (255, 0, 0)
    texture[4:, :4] = (0, 255, 0)
    wall = Part(quad((-0.5, 0, -0.1), (1, 0, 0), (0, 0, 1)), Surface("tested print", texture=texture))
    image, _ = traced([wall])
    assert image[12, 20].argmax() == 0  # top
    assert image[26, 15].argmax() == 1  # bottom left
    again, other = traced([wall])[0], traced([wall], seed=2)[0]
    assert (image == again).all()
    assert (image != other).any()


@needs_tracer
def test_many_lamps_give_the_same_bytes_every_time():
    """Mitsuba orders the lights that it loads together by chance: one picture in ten came out differently."""
    places = (-1.0, -0.5, 0.0, 0.5, 1.0)
    lamps = [Lamp((x, -0.5, 2.0), (0.3, 0.3), (0.0, 0.1, -1.0), (4.0, 5.0 - x, 5.0)) for x in places]
    assert len({traced([BOX], lamps, samples=1)[0].tobytes() for _ in range(25)}) == 1


@needs_tracer
@pytest.mark.parametrize("finish", ["metal", "principled"])
def test_gloss_reflects_the_light(finish):
    """Metal and clear coat are brighter than bare paint where they mirror a lamp behind the camera."""
    lamp = Lamp((0.0, -4.0, 0.9), (2.0, 2.0), (0.0, 1.0, -0.1), (5.0, 5.0, 5.0))
    wall = quad((-2, 0, -2), (4, 0, 0), (0, 0, 4))
    shiny = Surface(f"tested {finish}", (0.2, 0.2, 0.2), finish=finish, roughness=0.1, coat=1.0)
    matt = Surface("tested matt", (0.2, 0.2, 0.2))
    peak = [traced([Part(wall, surface)], [lamp], (0, 0, 0))[0].max() for surface in (shiny, matt)]
    assert peak[0] > 1.2 * peak[1]


def test_the_reason_names_the_mend(monkeypatch):
    monkeypatch.setattr(pathtrace.importlib.util, "find_spec", lambda name: None)
    assert pathtrace.missing() == 'package mitsuba is not installed; pip install "refiner-bench[render]"'


@needs_tracer
def test_nothing_is_printed_where_llvm_is_missing():
    code = (
        "import sys; from bench.worlds.rendering import pathtrace; pathtrace._mitsuba(); print('kept', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "DRJIT_LIBLLVM_PATH": "no-such-library.so"},
    )
    assert (done.stdout, done.stderr) == ("", "kept\n")
