"""A table of boxes, one row each (file, class, x0, y0, x1, y1), and optionally a table of files to filter by.

``boxes.csv`` gives the boxes in pixels, x1 and y1 exclusive. ``files.csv``, where it is there, lists every image (also
those without objects) with columns such as domain and split that ``--filter domain=real`` chooses by. Crops of one
object each need no boxes: with ``--box-columns none`` a row says only of what class the whole image is.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError, did_you_mean
from bench.formats.source import Box, Item, Option, Problems, Source, inside, slashes
from bench.reading import read_text

OPTIONS = (
    Option("boxes", "table of boxes, relative to SRC (default: boxes.csv)", metavar="FILE"),
    Option("files", "table of images, relative to SRC (default: files.csv where there is one)", metavar="FILE"),
    Option(
        "filter", "keep rows whose column has this value (* stands for any text), or has not (!=); may be given again",
        kind="list", metavar="COLUMN=VALUE",
    ),
    Option("class-column", "column of the class name (default: class)", metavar="NAME", default="class"),
    Option("file-column", "column of the image file (default: file)", metavar="NAME", default="file"),
    Option(
        "box-columns", "the four columns of a box (default: x0,y0,x1,y1), or none: the object fills its image",
        metavar="A,B,C,D", default="x0,y0,x1,y1",
    ),
    Option("group-column", "column of the scene or sequence that an image belongs to", metavar="NAME"),
    Option("group-part", "regular expression: which part of that column's value is the group", metavar="REGEX"),
)

WHOLE = (0.0, 0.0, 1.0, 1.0)
"""The corners of an object that fills its image, in fractions of the image's size."""

Row = dict[str, str]


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read ``source`` (a folder); the class list is that of all rows, so every filtered part has the same one.

    Raises:
        DataError: a table or column is missing, or nothing is left after the filter.
        UsageError: a filter names an unknown column or value.
    """
    boxes_path = source / (options["boxes"] or "boxes.csv")
    files_path = source / (options["files"] or "files.csv")
    file_column, class_column = options["file_column"], options["class_column"]
    whole = options["box_columns"].strip() == "none"
    corners = [] if whole else [name.strip() for name in options["box_columns"].split(",")]
    if not whole and len(corners) != 4:
        raise UsageError(f"--box-columns {options['box_columns']}: four names, such as x0,y0,x1,y1, or none")
    group = _Group(options["group_column"], options.get("group_part"))
    box_rows = _table(boxes_path, [file_column, class_column, *corners])
    listed = bool(options["files"]) or files_path.is_file()
    file_rows = _table(files_path, [file_column]) if listed else []
    class_names = tuple(sorted({row[class_column].strip() for _, row in box_rows if row[class_column].strip()}))
    filters = _filters(options["filter"] or [], file_rows, box_rows)

    by_file: dict[str, list[tuple[int, Row]]] = {}
    for line, row in box_rows:
        by_file.setdefault(slashes(row[file_column]), []).append((line, row))
    images: dict[str, tuple[str, Row]] = {}
    for path, rows in ((files_path, file_rows), (boxes_path, box_rows)):
        for line, row in rows:
            name = slashes(row[file_column])
            if path is files_path and name in images:
                mend = "remove one of the rows"
                problems.add("duplicate", f"{path}:{line}", f"{name} is listed again ({images[name][0]})", mend)
            elif name not in images:
                if listed and path is boxes_path:
                    what = f"{name} is not in {files_path.name}"
                    problems.add("not listed", f"{path}:{line}", what, "taken all the same; add a row for it")
                images[name] = (f"{path}:{line}", row)
    items, kept_rows = [], []
    for name, (where, row) in images.items():
        rows = by_file.get(name, [])
        if not _kept(filters, row, [box_row for _, box_row in rows]):
            continue
        kept_rows.append(row)
        try:
            path = inside(source, name, where)
            boxes = [_box(values, f"{boxes_path}:{line}", class_column, corners) for line, values in rows]
        except DataError as error:
            problems.left_out("broken label", error)
            continue
        items.append(Item(name, path, where, tuple(boxes), group.of(name, row, rows), _size(row), relative=whole))
    if not items:
        raise DataError(f"{source}: no image is left after --filter {' '.join(options['filter'] or [])}; loosen it")
    _warn_about_mixing(kept_rows, files_path, problems)
    return Source(tuple(items), class_names, frozenset({"boxes"}))


def _table(path: Path, needed: list[str]) -> list[tuple[int, Row]]:
    """Rows with their line numbers; missing cells are empty."""
    try:
        reader = csv.DictReader(io.StringIO(read_text(path, encoding="utf-8-sig"), newline=""))
        for column in needed:
            if column not in (reader.fieldnames or []):
                hint = did_you_mean(column, reader.fieldnames or [])
                raise DataError(f"{path}: no column '{column}'{hint}; name it with an option (see --help)")
        rows = []
        for row in reader:
            rows.append((reader.line_num, {str(key): value or "" for key, value in row.items() if key is not None}))
        return rows
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; name the table with --boxes or --files") from None
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV table in UTF-8 ({error}); save it as one") from None


def _filters(texts: list[str], *tables: list[tuple[int, Row]]) -> dict[str, set[str]]:
    """Column -> accepted values; the same column given twice accepts either, ``!=`` takes values away again."""
    filters: dict[str, set[str]] = {}
    columns = {column for table in tables for _, row in table[:1] for column in row}
    for text in sorted(texts, key=lambda text: text.partition("=")[0].endswith("!")):
        column, equals, value = text.partition("=")
        without, column = column.endswith("!"), column.removesuffix("!")
        if not equals:
            raise UsageError(f"--filter {text}: write COLUMN=VALUE, such as split=train")
        if column not in columns:
            raise UsageError(f"--filter {text}: no column '{column}'{did_you_mean(column, columns)}")
        known = {row[column] for table in tables for _, row in table if column in row}
        named = {value} & known or {each for each in known if "*" in value and fnmatchcase(each, value)}
        if not named:
            raise UsageError(f"--filter {text}: no row has it{did_you_mean(value, known if len(known) < 30 else [])}")
        if without:
            filters[column] = filters.get(column, known) - named
        else:
            filters.setdefault(column, set()).update(named)
    return filters


def _kept(filters: Mapping[str, set[str]], row: Row, boxes: list[Row]) -> bool:
    """An image stays when its own row, or else one of its boxes, has an accepted value in every filtered column."""
    for column, accepted in filters.items():
        rows = [row] if column in row else boxes
        if not any(values.get(column) in accepted for values in rows):
            return False
    return True


def _warn_about_mixing(rows: list[Row], path: Path, problems: Problems) -> None:
    for column in ("domain", "split"):
        values = sorted({row[column] for row in rows if row.get(column)})
        if len(values) > 1:
            hint = f"--filter {column}={values[0]} takes one"
            problems.note(f"{path}: {column} {', '.join(values)} go into one set; {hint}")


def _box(row: Row, where: str, class_column: str, corners: list[str]) -> Box:
    name = row[class_column].strip()
    if not name:
        raise DataError(f"{where}: no class; fill it in")
    if not corners:
        return Box(WHOLE, name, where)
    try:
        x0, y0, x1, y1 = (float(row[column]) for column in corners)
    except ValueError:
        given = ",".join(row[column] for column in corners)
        raise DataError(f"{where}: the box {given!r} is not four numbers; mend it") from None
    return Box((x0, y0, x1, y1), name, where)


class _Group:
    """Finds the scene or sequence of an image in a column, or in a part of the column's value."""

    def __init__(self, column: str | None, part: str | None) -> None:
        if part and column is None:
            raise UsageError(f"--group-part {part}: part of which column? say --group-column")
        try:
            self.column, self.part = column, re.compile(part) if part else None
        except re.error as error:
            raise UsageError(f"--group-part {part}: not a regular expression ({error})") from None

    def of(self, name: str, row: Row, boxes: list[tuple[int, Row]]) -> str | None:
        """The group of an image, by its own row or its first box; raises `UsageError` for an unknown column."""
        if self.column is None:
            return None
        places = (row, *(box for _, box in boxes[:1]))
        value = next((values[self.column] for values in places if values.get(self.column)), None)
        if value is None and self.column not in row and not any(self.column in box for _, box in boxes):
            raise UsageError(f"--group-column {self.column}: no such column{did_you_mean(self.column, row)}")
        if value is None or self.part is None:
            return value
        found = self.part.search(value)
        if not found:
            raise UsageError(f"--group-part {self.part.pattern}: finds nothing in {value} ({name}); widen it")
        return found.group(1) if found.re.groups else found.group(0)


def _size(row: Row) -> tuple[int, int] | None:
    for width, height in (("w", "h"), ("width", "height")):
        if all(re.fullmatch(r"\d{1,9}", row.get(side, "")) for side in (width, height)):
            return int(row[width]), int(row[height])
    return None
