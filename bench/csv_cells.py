"""Cells of CSV files: what a spreadsheet would take for a formula is marked, and the mark is taken off again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell starts that a spreadsheet computes when somebody opens the table (OWASP, "CSV Injection")."""
MARK = "'"


def guarded(text: str) -> str:
    """Text for a cell: with an apostrophe in front where it could be a formula; numbers are written without this."""
    return MARK + text if text.lstrip(MARK).startswith(FORMULA) else text


def unguarded(text: str) -> str:
    """The text that `guarded` was given."""
    return text[1:] if text[:1] == MARK and text[1:].lstrip(MARK).startswith(FORMULA) else text


def csv_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells of a CSV text; raises `ValueError` that names the line where it is none."""
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None
