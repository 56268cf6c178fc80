"""Writes a tiny data set in the official BOP layout: cuboids with painted dots, ray-cast one pixel at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from bench.contracts import Context, SplitRequest
from bench.describe import construct
from bench.formats.layout import open_image_set
from bench.samples import ImageSet
from bench.worlds.bop import Bop

HALF = {1: (0.05, 0.035, 0.04), 3: (0.04, 0.04, 0.04), 5: (0.03, 0.05, 0.045)}
"""Half extents of the cuboids, metres, by object id; 3 is LM's bowl, one of the symmetric four."""
PAINT = {1: (150, 150, 160), 3: (90, 120, 90), 5: (160, 150, 130)}
DOTS = {(230, 20, 20): (0, 1), (20, 220, 20): (0, -1), (20, 20, 230): (1, 1), (220, 220, 20): (1, -1),
        (220, 20, 220): (2, 1), (20, 220, 220): (2, -1)}
"""Colour of the dot in the middle of each face -> (axis, side)."""
DOT_RADIUS = 0.01
MATRIX = np.array([[400.0, 0, 78.3], [0, 402.0, 61.7], [0, 0, 1]])
WIDTH, HEIGHT = 160, 120
SCENE = "test/000001"
SIZE = 64
SYNTHETIC = SplitRequest("synthetic", "train", 0, SIZE, 5)
REAL = SplitRequest("real", "train", 0, SIZE, 5)
TEST = SplitRequest("real", "test", 0, SIZE, 5)


@dataclass(frozen=True)
class Thing:
    """An object in front of the camera: rotation model to camera, translation in metres."""

    object_id: int
    rotation: np.ndarray
    translation: np.ndarray

    def dots(self) -> dict[tuple[int, int, int], np.ndarray]:
        """Middle of each face that looks at the camera, in the model's frame, by the colour of its dot."""
        found = {}
        for colour, (axis, side) in DOTS.items():
            point, normal = np.zeros(3), np.zeros(3)
            point[axis], normal[axis] = side * HALF[self.object_id][axis], side
            towards = -(self.rotation @ point + self.translation)
            if self.rotation @ normal @ towards / np.linalg.norm(towards) > 0.5:
                found[colour] = point
        return found

    def cast(self, matrix: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) depth in metres, inf beside it, and (H, W, 3) colour; integer coordinates are pixel centres."""
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        x, y = (columns - matrix[0, 2]) / matrix[0, 0], (rows - matrix[1, 2]) / matrix[1, 1]
        rays = np.stack([x, y, np.ones_like(x)], -1) @ self.rotation  # of z 1 in the camera's frame, so t is the depth
        eye = -self.rotation.T @ self.translation
        half = np.array(HALF[self.object_id])
        with np.errstate(divide="ignore"):
            ends = np.stack([(-half - eye) / rays, (half - eye) / rays])
        entry, leave = ends.min(0), ends.max(0)
        depth = entry.max(-1)
        depth[depth > leave.min(-1)] = np.inf
        points = eye + np.where(np.isfinite(depth), depth, 0)[..., None] * rays
        colour = np.broadcast_to(np.array(PAINT[self.object_id], np.uint8), (height, width, 3)).copy()
        for paint, (axis, side) in DOTS.items():
            middle = np.zeros(3)
            middle[axis] = side * half[axis]
            colour[((points - middle) ** 2).sum(-1) < DOT_RADIUS**2] = paint
        return depth, colour


def pose(object_id: int, seed: int, x: float = 0.0, y: float = 0.0, z: float = 0.7) -> Thing:
    """An object turned at random."""
    return Thing(object_id, Rotation.random(random_state=seed).as_matrix(), np.array([x, y, z]))


def write_scene(folder: Path, images: Sequence[Sequence[Thing]], suffix: str = ".png", scale: float = 1.0) -> None:
    """One scene: colour, depth, both kinds of masks and the three JSON files, as `bop_toolkit` names them."""
    truth, cameras, infos = {}, {}, {}
    for name in ("rgb", "depth", "mask", "mask_visib"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, things in enumerate(images):
        casts = [thing.cast(MATRIX, WIDTH, HEIGHT) for thing in things]
        nearest = np.min([depth for depth, _ in casts], axis=0)
        picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)  # a wall 1.5 m away
        for depth, colour in casts:
            visible = (depth == nearest) & np.isfinite(depth)
            picture[visible] = colour[visible]
        wall = np.minimum(nearest, 1.5)
        wall[:4] = 0  # the sensor measured nothing there
        Image.fromarray(picture).save(folder / "rgb" / f"{number:06d}{suffix}", quality=98, subsampling=0)
        Image.fromarray(np.rint(wall * 1000 / scale).astype(np.uint16)).save(folder / "depth" / f"{number:06d}.png")
        truth[str(number)], infos[str(number)] = [], []
        cameras[str(number)] = {"cam_K": MATRIX.ravel().tolist(), "depth_scale": scale}
        for k, (thing, (depth, _)) in enumerate(zip(things, casts, strict=True)):
            whole, visible = np.isfinite(depth), (depth == nearest) & np.isfinite(depth)
            Image.fromarray(whole.astype(np.uint8) * 255).save(folder / "mask" / f"{number:06d}_{k:06d}.png")
            Image.fromarray(visible.astype(np.uint8) * 255).save(folder / "mask_visib" / f"{number:06d}_{k:06d}.png")
            truth[str(number)].append({
                "cam_R_m2c": thing.rotation.ravel().tolist(), "cam_t_m2c": (thing.translation * 1000).tolist(),
                "obj_id": thing.object_id,
            })
            infos[str(number)].append({
                "px_count_all": int(whole.sum()), "px_count_visib": int(visible.sum()),
                "visib_fract": float(visible.sum() / max(1, whole.sum())),
            })
    for name, data in (("scene_gt", truth), ("scene_camera", cameras), ("scene_gt_info", infos)):
        (folder / f"{name}.json").write_text(json.dumps(data))


def write_data_set(root: Path) -> Path:
    """Two scenes of ten photographs of one object each, as LM has, and two scenes of renders with several objects.

    In image 0 of the second render scene object 5 hides behind 3; its image 1 has object 1 at the picture's edge.
    """
    rng = np.random.default_rng(3)
    for scene, object_id in ((1, 1), (5, 5)):
        things = [[pose(object_id, 100 * scene + k, *rng.uniform(-0.06, 0.06, 2), 0.6 + 0.03 * k)] for k in range(10)]
        write_scene(root / "test" / f"{scene:06d}", things)
    first = [[pose(1, 7 + k, -0.06, 0.02, 0.65), pose(5, 17 + k, 0.07, -0.02, 0.8)] for k in range(3)]
    second = [
        [pose(5, 31, 0.01, 0.01, 0.9), pose(3, 32, 0.0, 0.0, 0.7)],
        [pose(1, 33, 0.14, 0.09, 0.7), pose(3, 34, -0.08, 0.0, 0.7)],
        [pose(1, 35, 0.0, 0.0, 0.5)],
    ]
    write_scene(root / "train_pbr" / "000000", first, ".jpg", 0.1)
    write_scene(root / "train_pbr" / "000001", second, ".jpg", 0.1)
    return root


def world(root: Path, **config: object) -> Bop:
    made = construct("world", "bop", {"root": str(root), **config})
    assert isinstance(made, Bop)
    return made


def written(root: Path, request: SplitRequest, directory: Path, **config: object) -> ImageSet:
    world(root, **config).image_set(request, Context(seed=request.seed, directory=directory))
    return open_image_set(directory)
