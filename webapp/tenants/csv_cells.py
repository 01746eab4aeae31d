"""Cells of CSV files that people open in spreadsheets: none of them is run as a formula."""

import csv
import io
import re
from collections.abc import Callable, Iterable

# With this at its start, spreadsheets know that a file is UTF-8.
BOM = "\ufeff"

# What spreadsheets take for the start of a formula, the full-width forms included; and where a
# cell may begin: a spreadsheet that takes another delimiter than ours for the file's cuts cells
# at it, whatever quotation marks stand around them.
FORMULA = r"""(?=["']*[=+\-@\t\r\n＝＋－＠])"""
BEGINNING = r"(\A|[,;|\t\r\n])"
RUN = re.compile(BEGINNING + FORMULA.replace("'", ""))
UNGUARDED, GUARDED = re.compile(BEGINNING + FORMULA), re.compile(f"{BEGINNING}'{FORMULA}")


def guarded(text: str) -> str:
    """The text as it may stand in a cell: what could be a formula gets `'` before it."""
    return UNGUARDED.sub(r"\1'", text)


def harmless(text: str) -> str:
    """A cell as somebody wrote it, guarded only where it would be a formula; `'=1` stays."""
    return RUN.sub(r"\1'", text)


def unguarded(text: str) -> str:
    """The text that `guarded` made this of, so that a file of ours can be imported again."""
    return GUARDED.sub(r"\1", text)


def to_csv(
    rows: Iterable[Iterable[object]], guard: Callable[[str], str] = guarded, delimiter: str = ","
) -> str:
    """The rows as lines of a CSV file, each cell guarded and in quotes; None is an empty one."""
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    for row in rows:
        writer.writerow(["" if cell is None else guard(str(cell)) for cell in row])
    return lines.getvalue()
