"""Cells of CSV files, guarded so that no spreadsheet evaluates one as a formula."""

import csv
import io
import re
from collections.abc import Callable, Iterable

# Spreadsheets recognize UTF-8 by this at the start of a file.
BOM = "\ufeff"

# The characters that begin a formula, full-width forms included, and the places where a cell may
# begin: a spreadsheet that expects another delimiter splits cells at it, even inside quotes.
FORMULA = r"""(?=["']*[=+\-@\t\r\n＝＋－＠])"""
BEGINNING = r"(\A|[,;|\t\r\n])"
RUN = re.compile(BEGINNING + FORMULA.replace("'", ""))
UNGUARDED, GUARDED = re.compile(BEGINNING + FORMULA), re.compile(f"{BEGINNING}'{FORMULA}")


def guarded(text: str) -> str:
    """The text for a cell: `'` is put before what could be a formula."""
    return UNGUARDED.sub(r"\1'", text)


def harmless(text: str) -> str:
    """A cell of an uploaded file, guarded only where it is a formula; `'=1` stays."""
    return RUN.sub(r"\1'", text)


def unguarded(text: str) -> str:
    """The inverse of `guarded`, so that an exported file can be imported."""
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
