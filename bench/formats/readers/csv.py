"""A table of boxes, one row each (file, class, x0, y0, x1, y1), and optionally a table of files to filter by.

``boxes.csv`` gives the boxes in pixels, x1 and y1 exclusive. ``files.csv``, where it is there, lists every image (also
those without objects) with columns such as domain and split that ``--filter domain=real`` chooses by.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError, did_you_mean
from bench.formats.source import Box, Item, Option, Problems, Source, inside, slashes

OPTIONS = (
    Option("boxes", "table of boxes, relative to SRC (default: boxes.csv)", metavar="FILE"),
    Option("files", "table of images, relative to SRC (default: files.csv where there is one)", metavar="FILE"),
    Option("filter", "keep rows whose column has this value; may be given again", kind="list", metavar="COLUMN=VALUE"),
    Option("class-column", "column of the class name (default: class)", metavar="NAME", default="class"),
    Option("file-column", "column of the image file (default: file)", metavar="NAME", default="file"),
    Option("box-columns", "the four columns of a box (default: x0,y0,x1,y1)", metavar="A,B,C,D", default="x0,y0,x1,y1"),
    Option("group-column", "column of the scene or sequence that an image belongs to", metavar="NAME"),
)

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
    corners = [name.strip() for name in options["box_columns"].split(",")]
    if len(corners) != 4:
        raise UsageError(f"--box-columns {options['box_columns']}: four names, such as x0,y0,x1,y1")
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
        items.append(Item(name, path, where, tuple(boxes), _group(options["group_column"], row, rows), _size(row)))
    if not items:
        raise DataError(f"{source}: no image is left after --filter {' '.join(options['filter'] or [])}; loosen it")
    _warn_about_mixing(kept_rows, files_path, problems)
    return Source(tuple(items), class_names, frozenset({"boxes"}))


def _table(path: Path, needed: list[str]) -> list[tuple[int, Row]]:
    """Rows with their line numbers; missing cells are empty."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
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
    except (UnicodeDecodeError, csv.Error, IsADirectoryError) as error:
        raise DataError(f"{path}: not a CSV table in UTF-8 ({error}); save it as one") from None


def _filters(texts: list[str], *tables: list[tuple[int, Row]]) -> dict[str, set[str]]:
    """Column -> accepted values; the same column given twice accepts either."""
    filters: dict[str, set[str]] = {}
    columns = {column for table in tables for _, row in table[:1] for column in row}
    for text in texts:
        column, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--filter {text}: write COLUMN=VALUE, such as split=train")
        if column not in columns:
            raise UsageError(f"--filter {text}: no column '{column}'{did_you_mean(column, columns)}")
        known = {row[column] for table in tables for _, row in table if column in row}
        if value not in known:
            raise UsageError(f"--filter {text}: no row has it{did_you_mean(value, known if len(known) < 30 else [])}")
        filters.setdefault(column, set()).add(value)
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
    try:
        x0, y0, x1, y1 = (float(row[column]) for column in corners)
    except ValueError:
        given = ",".join(row[column] for column in corners)
        raise DataError(f"{where}: the box {given!r} is not four numbers; mend it") from None
    return Box((x0, y0, x1, y1), name, where)


def _group(column: str | None, row: Row, boxes: list[tuple[int, Row]]) -> str | None:
    if column is None:
        return None
    for values in (row, *(box for _, box in boxes[:1])):
        if values.get(column):
            return values[column]
    if column not in row and not any(column in box for _, box in boxes):
        raise UsageError(f"--group-column {column}: no such column{did_you_mean(column, row)}")
    return None


def _size(row: Row) -> tuple[int, int] | None:
    for width, height in (("w", "h"), ("width", "height")):
        if row.get(width, "").isdecimal() and row.get(height, "").isdecimal():
            return int(row[width]), int(row[height])
    return None
