"""Cells of CSV files that people open in spreadsheets: none of them is run as a formula."""

import csv
import io
import re
from collections.abc import Iterable

# With this at its start, spreadsheets know that a file is UTF-8.
BOM = "\ufeff"

# What spreadsheets take for the start of a formula, the full-width forms included.
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def guarded(text: str) -> str:
    """The text as it may stand in a cell: what could be a formula gets `'` before it."""
    return f"'{text}" if FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """The text that `guarded` made this of, so that a file of ours can be uploaded again."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def written(rows: Iterable[Iterable[object]]) -> str:
    """The rows as lines of a CSV file, each cell guarded; None is an empty one."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    for row in rows:
        writer.writerow(["" if cell is None else guarded(str(cell)) for cell in row])
    return lines.getvalue()
