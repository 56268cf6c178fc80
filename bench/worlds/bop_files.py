"""Reading the annotations of a data set in the BOP layout (Hodan et al., ECCV 2018, "Format of BOP datasets").

::

    ROOT/SPLIT/000001/scene_gt.json        image id -> list of {cam_R_m2c, cam_t_m2c, obj_id}
                     /scene_camera.json    image id -> {cam_K, depth_scale}
                     /scene_gt_info.json   image id -> list of {visib_fract, ...}
                     /rgb/000000.png|jpg   depth/000000.png   mask[_visib]/000000_000000.png (image id, annotation)

Translations are in millimetres, and ``depth_scale`` makes millimetres of what a depth image holds. The camera looks
along +z with y downwards; integer pixel coordinates are pixel centres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.reading import finite, outward_links, read_json

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
AGAIN = "download or unpack the scene again"
ROTATION_TOLERANCE = 1e-2
_GT, _CAMERA, _INFO = "scene_gt.json", "scene_camera.json", "scene_gt_info.json"


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """Annotated objects, one row each, sorted by scene, image and number.

    Attributes:
        folders: scene folders.
        scene: (N,) index into ``folders``.
        image, number: (N,) image id, and which annotation of that image.
        object_id: (N,) as in the data set.
        rotation: (N, 3, 3) model to camera.
        translation: (N, 3) the model's origin in the camera's frame, metres.
        matrix: (N, 3, 3) the camera's intrinsic matrix, pixels.
        depth_scale: (N,) metres of one step of the depth image.
        visible: (N,) visible fraction of the silhouette, NaN where the scene has no scene_gt_info.json.
    """

    folders: tuple[Path, ...]
    scene: I64
    image: I64
    number: I64
    object_id: I64
    rotation: F64
    translation: F64
    matrix: F64
    depth_scale: F64
    visible: F64

    def __len__(self) -> int:
        return len(self.scene)

    def where(self, rows: NDArray[Any]) -> Instances:
        """Some of the rows, by index or mask."""
        return Instances(
            self.folders, self.scene[rows], self.image[rows], self.number[rows], self.object_id[rows],
            self.rotation[rows], self.translation[rows], self.matrix[rows], self.depth_scale[rows], self.visible[rows],
        )

    def name(self, row: int) -> str:
        """A row in words, such as ``test-000001-000012-000000``: folder, scene, image, annotation."""
        folder = self.folders[self.scene[row]]
        return f"{folder.parent.name}-{folder.name}-{self.image[row]:06d}-{self.number[row]:06d}"

    def picture(self, row: int) -> str:
        """The scene and image of a row, which all its annotations share: the group of its samples."""
        folder = self.folders[self.scene[row]]
        return f"{folder.parent.name}-{folder.name}-{self.image[row]:06d}"

    def files(self, row: int) -> tuple[Path, Path, Path]:
        """Colour, depth and mask of a row; raises `DataError` naming the first that is not there.

        The mask is that of the visible part, or the whole silhouette where the scene has no folder ``mask_visib``.
        """
        folder, image = self.folders[self.scene[row]], f"{self.image[row]:06d}"
        colour = [folder / "rgb" / f"{image}{suffix}" for suffix in (".png", ".jpg")]
        masks = "mask_visib" if (folder / "mask_visib").is_dir() else "mask"
        mask = folder / masks / f"{image}_{self.number[row]:06d}.png"
        found = next((path for path in colour if path.is_file()), None)
        if found is None:
            raise DataError(f"{colour[0]}: no such file, and no .jpg; {AGAIN}")
        depth = folder / "depth" / f"{image}.png"
        for path in (depth, mask):
            if not path.is_file():
                raise DataError(f"{path}: no such file; {AGAIN}")
        return found, depth, mask


def read_instances(folders: Sequence[Path]) -> Instances:
    """Every annotation of some splits (``ROOT/test``, ...); raises `DataError` naming file and key."""
    scenes: list[Path] = []
    for folder in folders:
        for link in outward_links(folder):
            raise DataError(f"{link}: a link that leads out of {folder}; put the file itself there")
        found = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isdecimal())
        if not found:
            raise DataError(f"{folder}: no scene folders such as 000001 in it; is it a BOP split?")
        scenes += found
    parts = [_read_scene(scene, _stamps(scene)) for scene in scenes]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    index = np.repeat(np.arange(len(scenes)), [len(part["image"]) for part in parts])
    return Instances(tuple(scenes), index, **joined)


def _stamps(scene: Path) -> tuple[tuple[int, int], ...]:
    """Size and time of a scene's annotations, so that changed ones are read again."""
    stats = [path.stat() for path in (scene / name for name in (_GT, _CAMERA, _INFO)) if path.is_file()]
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in stats)


@cache
def _read_scene(scene: Path, stamps: tuple[tuple[int, int], ...]) -> dict[str, NDArray[Any]]:
    truth, cameras = _load(scene / _GT), _load(scene / _CAMERA)
    infos = _load(scene / _INFO) if (scene / _INFO).is_file() else None
    rows: list[tuple[int, int, int, float, float]] = []
    rotations, translations, matrices = [], [], []
    for key in sorted(truth, key=lambda text: _image_id(text, scene / _GT)):
        where, image = f"{scene / _GT}: image {key}", _image_id(key, scene / _GT)
        if key not in cameras:
            raise DataError(f"{scene / _CAMERA}: no camera of image {key}, which {_GT} annotates; {AGAIN}")
        camera = f"{scene / _CAMERA}: image {key}"
        matrix = _numbers(cameras[key], "cam_K", 9, camera)
        if matrix[0] <= 0 or matrix[4] <= 0:
            raise DataError(f"{camera}: cam_K has a focal length of {min(matrix[0], matrix[4]):g}; {AGAIN}")
        scale = _number(cameras[key], "depth_scale", camera)
        annotations = _annotations(truth[key], where)
        seen = _visible(infos, key, len(annotations), scene)
        for number, entry in enumerate(annotations):
            at = f"{where}, annotation {number}"
            rotations.append(_numbers(entry, "cam_R_m2c", 9, at))
            translations.append(_numbers(entry, "cam_t_m2c", 3, at))
            matrices.append(matrix)
            rows.append((image, number, int(_number(entry, "obj_id", at)), scale / 1000, seen[number]))
    table = np.array(rows, np.float64).reshape(-1, 5)
    made: dict[str, NDArray[Any]] = {
        name: table[:, column].astype(np.int64) for column, name in enumerate(("image", "number", "object_id"))
    }
    made |= {"depth_scale": table[:, 3], "visible": table[:, 4]}
    made["rotation"] = np.array(rotations, np.float64).reshape(-1, 3, 3)
    made["translation"] = np.array(translations, np.float64).reshape(-1, 3) / 1000
    made["matrix"] = np.array(matrices, np.float64).reshape(-1, 3, 3)
    _check_rotations(made, scene / _GT)
    return made


def _check_rotations(made: Mapping[str, NDArray[Any]], path: Path) -> None:
    rotation = made["rotation"]
    rotation = np.where(np.isfinite(rotation).all((1, 2), keepdims=True), rotation, 0.0)  # JSON may hold NaN
    error = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max((1, 2), initial=0)
    bad = np.flatnonzero((error > ROTATION_TOLERANCE) | (np.linalg.det(rotation) < 0))
    if bad.size:
        at = f"{path}: image {made['image'][bad[0]]}, annotation {made['number'][bad[0]]}"
        raise DataError(f"{at}: cam_R_m2c is not a rotation (of {bad.size} such annotations the first); {AGAIN}")


def _load(path: Path) -> dict[str, Any]:
    try:
        data = read_json(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {AGAIN}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: broken JSON ({error}); {AGAIN}") from None
    if not isinstance(data, dict):
        raise DataError(f"{path}: not a table of image ids; {AGAIN}")
    return data


def _image_id(key: str, path: Path) -> int:
    if not key.isdecimal() or len(key) > 9:
        raise DataError(f"{path}: image id {key!r} is no number; {AGAIN}")
    return int(key)


def _annotations(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{where}: not a list of annotations; {AGAIN}")
    return value


def _numbers(entry: Any, key: str, count: int, where: str) -> list[float]:
    value = entry.get(key) if isinstance(entry, dict) else None
    fits = isinstance(value, list) and len(value) == count
    if not fits or not all(finite(x) or x != x for x in value or ()):
        raise DataError(f"{where}: {key} must be {count} numbers; {AGAIN}")
    return [float(x) for x in value or ()]


def _number(entry: Any, key: str, where: str) -> float:
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not finite(value):
        raise DataError(f"{where}: {key} must be a number; {AGAIN}")
    return float(value)


def _visible(infos: Mapping[str, Any] | None, key: str, count: int, scene: Path) -> list[float]:
    """Visible fractions of an image's annotations; NaN without scene_gt_info.json."""
    if infos is None:
        return [float("nan")] * count
    where = f"{scene / _INFO}: image {key}"
    entries = _annotations(infos.get(key), where)
    if len(entries) != count:
        raise DataError(f"{where}: {len(entries)} entries for the {count} annotations in {_GT}; {AGAIN}")
    return [_number(entry, "visib_fract", where) for entry in entries]
