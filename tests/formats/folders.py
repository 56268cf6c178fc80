"""Small folders of images with labels, as other people's tools leave them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.formats.convert import Converter, Ready
from bench.formats.source import Problems, Source


def picture(seed: int, width: int, height: int) -> np.ndarray:
    """A smooth random picture, different for every seed."""
    small = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def save_picture(path: Path, seed: int = 0, width: int = 40, height: int = 20, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed, width, height)).save(path, **options)
    return path


def coco_data() -> dict[str, Any]:
    return {
        "images": [
            {"id": 10 + k, "file_name": f"{k}.png", "width": 40, "height": 20, "group": f"g{k // 2}"} for k in range(3)
        ],
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 7, "bbox": [4, 2, 10, 8], "area": 80, "iscrowd": 0},
            {"id": 2, "image_id": 10, "category_id": 3, "bbox": [20, 5, 5, 10], "area": 50, "iscrowd": 0},
            {"id": 3, "image_id": 11, "category_id": 3, "bbox": [0, 0, 40, 20], "area": 800, "iscrowd": 0},
            {"id": 4, "image_id": 12, "category_id": 7, "bbox": [30.5, 10.25, 9, 9], "area": 81, "iscrowd": 0},
        ],
        "categories": [{"id": 7, "name": "jar"}, {"id": 3, "name": "can"}],
    }


def write_coco(root: Path, change: Callable[[dict[str, Any]], None] = lambda data: None) -> None:
    data = coco_data()
    change(data)
    (root / "annotations.json").write_text(json.dumps(data))


def convert(source: Source, **options: Any) -> tuple[list[Ready], Problems]:
    problems = options.pop("problems", None) or Problems()
    return list(Converter(source, problems, **options).samples()), problems


def shared_data() -> Path:
    """The folder of shared data sets: $BENCH_SHARED_DATA, or ``shared/data`` beside the checkout."""
    given = os.environ.get("BENCH_SHARED_DATA")
    return Path(given) if given else Path(__file__).resolve().parents[3] / "shared" / "data"
