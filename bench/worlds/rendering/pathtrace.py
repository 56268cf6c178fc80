"""Path tracing with Mitsuba 3 (`scalar_rgb`) and Open Image Denoise: the light transport of the real stand-in.

Jakob et al., "Dr.Jit", SIGGRAPH 2022 (mitsuba); Intel Open Image Denoise by `mitsuba-oidn`. One thread: with more,
the denoiser's last bits depend on their number. Parallelise by processes.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.worlds.rendering.gbuffer import GBuffer, base_colour
from bench.worlds.rendering.mesh import F64, Mesh, merge
from bench.worlds.rendering.scene import Camera, Part, Surface

_PACKAGES = ("mitsuba", "drjit", "mitsuba-oidn")


@dataclass(frozen=True, slots=True)
class Lamp:
    """A rectangular light: centre, size (width, height) in metres, the direction it shines in, RGB radiance."""

    centre: tuple[float, float, float]
    size: tuple[float, float]
    towards: tuple[float, float, float]
    radiance: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Sun:
    """A light so far away that its rays are parallel: direction towards it, RGB irradiance on what faces it."""

    towards: tuple[float, float, float]
    irradiance: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """Surroundings by direction: (rows, columns, 3) RGB radiance, 0 or more.

    The rows go from straight up to straight down; the columns start at +y and go by +x all the way around.
    """

    radiance: F64


def missing() -> str | None:
    """Why path tracing cannot run here, in one line, or None; imports nothing."""
    for module in ("mitsuba", "mitsuba_oidn"):
        if importlib.util.find_spec(module) is None:
            return f'package {module} is not installed; pip install "refiner-bench[render]"'
    return None


def versions() -> dict[str, str]:
    """Versions of the packages that decide the pixels."""
    return {package: importlib.metadata.version(package) for package in _PACKAGES}


@cache
def _mitsuba() -> Any:
    with _native_stderr_closed():
        mitsuba: Any = importlib.import_module("mitsuba")
        mitsuba.set_variant("scalar_rgb")
        mitsuba.set_log_level(mitsuba.LogLevel.Error)
        importlib.import_module("drjit").set_thread_count(1)
    return mitsuba


@contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Where there is no LLVM, Dr.Jit complains on the process's stderr; which `scalar_rgb` does not need."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def trace(
    parts: Sequence[Part], lamps: Sequence[Lamp | Sun], ambient: Sequence[float] | Sky, camera: Camera, guide: GBuffer,
    *, samples: int, seed: int, bounces: int = 4, denoise: bool = True,
) -> F64:
    """Load a scene and render it once: `Tracer` for one picture."""
    return Tracer(parts, lamps, ambient, bounces).render(camera, guide, samples=samples, seed=seed, denoise=denoise)


class Tracer:
    """A scene, loaded for as many views as are wanted; paths have up to ``bounces`` bounces.

    ``ambient`` is the RGB radiance of the surroundings, everywhere the same or a `Sky`.
    """

    def __init__(
        self, parts: Sequence[Part], lamps: Sequence[Lamp | Sun], ambient: Sequence[float] | Sky, bounces: int = 4
    ) -> None:
        self._parts, mi = parts, _mitsuba()
        scene: dict[str, Any] = {
            "type": "scene", "integrator": {"type": "path", "max_depth": bounces + 1, "rr_depth": 3}
        }
        # Lights are loaded one by one: what Mitsuba loads together ends up in an order that differs from run to run,
        # and the order of the lights decides which of them a random number picks.
        scene["ambient"] = mi.load_dict(_ambient(mi, ambient))
        for number, lamp in enumerate(lamps):
            scene[f"lamp{number}"] = mi.load_dict(_sun(lamp) if isinstance(lamp, Sun) else _lamp(mi, lamp))
        by_surface: dict[Surface, list[Mesh]] = {}
        for part in parts:
            by_surface.setdefault(part.surface, []).append(part.mesh)
        for number, (surface, meshes) in enumerate(by_surface.items()):
            scene[f"part{number:03d}"] = _mesh(mi, merge(meshes), _bsdf(surface), f"part{number:03d}")
        self._scene = mi.load_dict(scene)

    def render(self, camera: Camera, guide: GBuffer, *, samples: int, seed: int, denoise: bool = True) -> F64:
        """Linear RGB radiance (H, W, 3) from ``samples`` paths per pixel, denoised.

        ``guide`` is the rasterised buffer of the same camera, whose base colour and normals guide the denoiser. The
        same ``seed`` gives the same bytes.
        """
        mi = _mitsuba()
        sensor = mi.load_dict(_sensor(mi, camera, samples))
        noisy = np.array(mi.render(self._scene, sensor=sensor, seed=seed % (1 << 32), spp=samples))
        return np.asarray(_denoised(noisy, self._parts, guide) if denoise else noisy, np.float64).clip(0)


def _denoised(noisy: Any, parts: Sequence[Part], guide: GBuffer) -> Any:
    albedo = np.where(guide.hit[..., None], base_colour(guide, parts) ** 2.2, 1.0)  # 1: what shines by itself
    oidn, device = _denoiser()
    return oidn.denoise(
        np.ascontiguousarray(noisy, np.float32), albedo=np.ascontiguousarray(albedo, np.float32),
        normal=np.ascontiguousarray(guide.normal, np.float32), hdr=True, device=device,
    )


@cache
def _denoiser() -> tuple[Any, Any]:
    """The module and its device: always the CPU, or a machine with a GPU would write other bytes."""
    oidn: Any = importlib.import_module("mitsuba_oidn")
    device = oidn.Device(oidn.DeviceType.CPU)
    device.commit()
    return oidn, device


def _rgb(value: Sequence[float]) -> dict[str, Any]:
    return {"type": "rgb", "value": [float(channel) for channel in value]}


def _sensor(mi: Any, camera: Camera, samples: int) -> dict[str, Any]:
    span = 2 * np.degrees(np.arctan(camera.width / 2 / camera.focal))
    up = camera.axes[1].tolist() if camera.roll else [0, 0, 1]
    view = mi.ScalarTransform4f().look_at(origin=camera.eye.tolist(), target=camera.target.tolist(), up=up)
    film = {
        "type": "hdrfilm", "width": camera.width, "height": camera.height, "rfilter": {"type": "box"},
        "pixel_format": "rgb", "component_format": "float32",
    }
    return {
        "type": "perspective", "fov": float(span), "fov_axis": "x", "near_clip": 0.01, "far_clip": 100.0,
        "to_world": view, "film": film, "sampler": {"type": "independent", "sample_count": samples},
    }


def _ambient(mi: Any, ambient: Sequence[float] | Sky) -> dict[str, Any]:
    if not isinstance(ambient, Sky):
        return {"type": "constant", "radiance": _rgb(ambient)}
    bitmap = mi.Bitmap(np.array(ambient.radiance, np.float32))
    return {"type": "envmap", "bitmap": bitmap, "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90)}


def _sun(sun: Sun) -> dict[str, Any]:
    away = [-float(component) for component in sun.towards]
    return {"type": "directional", "direction": away, "irradiance": _rgb(sun.irradiance)}


def _lamp(mi: Any, lamp: Lamp) -> dict[str, Any]:
    centre, towards = np.asarray(lamp.centre), np.asarray(lamp.towards)
    up = [0, 1, 0] if abs(lamp.towards[2]) > 0.9 else [0, 0, 1]
    place = mi.ScalarTransform4f().look_at(origin=centre.tolist(), target=(centre + towards).tolist(), up=up)
    size = mi.ScalarTransform4f().scale([lamp.size[0] / 2, lamp.size[1] / 2, 1.0])
    emitter = {"type": "area", "radiance": _rgb(lamp.radiance)}
    return {"type": "rectangle", "to_world": place @ size, "emitter": emitter, "bsdf": {"type": "diffuse"}}


def _mesh(mi: Any, mesh: Mesh, bsdf: Any, name: str) -> Any:
    properties = mi.Properties()
    properties["bsdf"] = bsdf
    out = mi.Mesh(name, len(mesh.vertices), len(mesh.faces), properties, True, True)
    data = mi.traverse(out)
    uv = mesh.uv * (1, -1) + (0, 1)  # Mitsuba counts v downwards
    data["vertex_positions"] = np.ascontiguousarray(mesh.vertices, np.float32).ravel()
    data["vertex_normals"] = np.ascontiguousarray(mesh.normals, np.float32).ravel()
    data["vertex_texcoords"] = np.ascontiguousarray(uv, np.float32).ravel()
    data["faces"] = np.ascontiguousarray(mesh.faces, np.uint32).ravel()
    data.update()
    return out


@lru_cache(maxsize=512)
def _bsdf(surface: Surface) -> Any:
    """Loading a material costs more than tracing it: kept for the life of the process, by the surface's key."""
    mi = _mitsuba()
    if surface.texture is None:
        colour = _rgb([channel**2.2 for channel in surface.colour])
    else:
        bitmap = mi.Bitmap(np.array(surface.texture))
        colour = {"type": "bitmap", "bitmap": bitmap, "raw": False, "filter_type": "bilinear"}
    inner: dict[str, Any]
    if surface.finish == "diffuse":
        inner = {"type": "diffuse", "reflectance": colour}
    elif surface.finish == "metal":
        inner = {"type": "roughconductor", "material": "Al", "alpha": surface.roughness, "specular_reflectance": colour}
    else:
        inner = {
            "type": "principled", "base_color": colour, "roughness": surface.roughness, "metallic": surface.metallic,
            "specular": 0.5, "clearcoat": surface.coat, "clearcoat_gloss": 0.9,
        }
    return mi.load_dict({"type": "twosided", "nested": inner})
