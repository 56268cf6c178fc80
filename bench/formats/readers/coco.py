"""COCO JSON (images, annotations, categories) beside its images; masks are taken where every object has one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.formats.source import Box, Item, Option, Problems, Source, folder, inside, slashes
from bench.reading import exists, finite, read_json

OPTIONS = (
    Option("annotations", "COCO JSON, relative to SRC (default: annotations.json or the only one)", metavar="FILE"),
    Option("images", "folder of the images, relative to SRC (default: SRC or SRC/images)", metavar="DIR"),
)
_USUAL = ("annotations.json", "_annotations.coco.json", "instances.json")


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read a folder, or the JSON file itself; classes are in the order of category ids.

    Crowd regions are left out (they are no single objects). Raises `DataError` when the JSON cannot be used at all.
    """
    path = _annotation_file(source, options["annotations"])
    root = source if source.is_dir() else source.parent
    coco = _load(path)
    images_root = folder(root, options["images"], ["."], "images", "--images") if options["images"] else None
    categories = _categories(coco, path)
    by_image, crowds = _annotations(coco, path, problems)
    items: list[Item] = []
    seen: dict[Any, int] = {}
    names: dict[str, int] = {}
    for index, image in enumerate(coco["images"]):
        where = f"{path}: images[{index}]"
        item = _image(image, where, root, images_root, problems)
        if item is None:
            continue
        key, name = image.get("id"), item.name
        if key in seen or name in names:
            first = seen.get(key, names.get(name))
            what = f"same {'id' if key in seen else 'file name'} as images[{first}]"
            problems.add("duplicate", f"{where} ({name})", what, "image left out; remove one of them")
            continue
        seen[key], names[name] = index, index
        boxes, broken = [], False
        for number, annotation in by_image.get(key, []):
            box = _box(annotation, f"{path}: annotations[{number}] ({name})", categories, problems)
            broken |= box is None
            if box is not None:
                boxes.append(box)
        if not broken:
            items.append(_with_boxes(item, boxes))
    for key in by_image.keys() - seen.keys():
        number = by_image[key][0][0]
        what = f"{len(by_image[key])} annotations are of image_id {key!r}, which is not among the images"
        problems.add("missing image", f"{path}: annotations[{number}]", what, "add the image or remove them")
    if crowds:
        problems.note(f"{path}: {crowds} crowd regions left out")
    masked = _all_masked(items, path, problems)
    labels = {"boxes", "instances", "foreground"} if masked else {"boxes"}
    return Source(tuple(items), tuple(categories.values()), frozenset(labels))


def _annotation_file(source: Path, given: str | None) -> Path:
    if source.is_file():
        return source
    if given:
        return source / given
    for name in _USUAL:
        if (source / name).is_file():
            return source / name
    found = sorted([*source.glob("*.json"), *source.glob("annotations/*.json")])
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(str(path.relative_to(source)) for path in found)
        raise DataError(f"{source}: which of {names}? Say it with --annotations")
    raise DataError(f"{source}: no annotations.json; name the file with --annotations")


def _load(path: Path) -> dict[str, Any]:
    try:
        data = read_json(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; name it with --annotations") from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}); export it again") from None
    for key in ("images", "annotations", "categories"):
        if not isinstance(data, dict) or not isinstance(data.get(key), list):
            raise DataError(f"{path}: no list '{key}'; is it a COCO detection file?")
        if not all(isinstance(entry, dict) for entry in data[key]):
            raise DataError(f"{path}: '{key}' has entries that are no objects; export it again")
    return dict(data)


def _categories(coco: Mapping[str, Any], path: Path) -> dict[Any, str]:
    try:
        named = {entry["id"]: str(entry["name"]) for entry in coco["categories"]}
        ordered = dict(sorted(named.items()))
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: categories need a whole-number 'id' and a 'name' each ({error})") from None
    if len(set(ordered.values())) != len(coco["categories"]):
        raise DataError(f"{path}: two categories share an id or a name; give each its own")
    return ordered


def _annotations(
    coco: Mapping[str, Any], path: Path, problems: Problems
) -> tuple[dict[Any, list[tuple[int, dict[str, Any]]]], int]:
    """Annotations with their index by image id, and how many crowd regions were passed over."""
    by_image: dict[Any, list[tuple[int, dict[str, Any]]]] = {}
    crowds = 0
    for number, annotation in enumerate(coco["annotations"]):
        key = annotation.get("image_id")
        if not isinstance(key, (int, str)):
            problems.add("broken label", f"{path}: annotations[{number}]", "no image_id", "add it or remove the entry")
        elif annotation.get("iscrowd"):
            crowds += 1
        else:
            by_image.setdefault(key, []).append((number, annotation))
    return by_image, crowds


def _image(
    image: Mapping[str, Any], where: str, root: Path, images_root: Path | None, problems: Problems
) -> Item | None:
    name = image.get("file_name")
    if not isinstance(name, str) or not isinstance(image.get("id"), (int, str)):
        problems.add("broken label", where, "no id or no file_name", "image left out; add them")
        return None
    try:
        path = inside(images_root or root, name, where)
    except DataError as error:
        problems.left_out("unsafe file name", error)
        return None
    if images_root is None and not exists(path) and (root / "images").is_dir():
        path = inside(root / "images", name, where)
    width, height = image.get("width"), image.get("height")
    stated = (width, height) if isinstance(width, int) and isinstance(height, int) and width and height else None
    group = image.get("group")
    return Item(slashes(name), path, where, group=None if group is None else str(group), stated_size=stated)


def _box(annotation: Mapping[str, Any], where: str, categories: Mapping[Any, str], problems: Problems) -> Box | None:
    bbox = annotation.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(finite, bbox)):
        what = f"bbox {bbox!r} is not four numbers"
        problems.add("broken label", where, what, "image left out; write [x, y, width, height]")
        return None
    x, y, width, height = (float(v) for v in bbox)
    category = annotation.get("category_id")
    known = categories.get(category) if isinstance(category, (int, str)) else None
    name = known if known is not None else f"id {category}"
    return Box((x, y, x + width, y + height), name, where, annotation.get("segmentation") or None)


def _with_boxes(item: Item, boxes: list[Box]) -> Item:
    return Item(item.name, item.path, item.where, tuple(boxes), item.group, item.stated_size)


def _all_masked(items: list[Item], path: Path, problems: Problems) -> bool:
    boxes = [box for item in items for box in item.boxes]
    masked = sum(box.segmentation is not None for box in boxes)
    if 0 < masked < len(boxes):
        problems.note(f"{path}: {len(boxes) - masked} of {len(boxes)} objects have no mask, so boxes alone are taken")
    return bool(boxes) and masked == len(boxes)
