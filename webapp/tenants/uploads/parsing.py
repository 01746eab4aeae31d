"""Taking an uploaded file apart: bytes become rows, or the one reason why they cannot."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from webapp.tenants.spreadsheets import unguarded
from webapp.tenants.uploads.problems import FileFault, UnreadableFile

MAX_BYTES = 4 * 1024 * 1024
MAX_ROWS = 10_000
DELIMITERS = (",", ";")

COLUMNS = ("id", "name", "slug")
# Those that our own result files have beside them; they are read past.
OURS = frozenset({"line", "outcome", "message"})

UTF16 = (b"\xff\xfe", b"\xfe\xff")
ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class FileRow:
    """A row as it was written; `line` is its first line in the file, from 1."""

    line: int
    name: str
    slug: str | None = None
    # None: the file has no numbers of its own.
    number: str | None = None
    has_too_many_cells: bool = False


@dataclass(frozen=True)
class Table:
    """The rows of a file, and whether they bring their numbers."""

    keeps_numbers: bool
    rows: Sequence[FileRow]


def parse(data: bytes) -> Table:
    """The rows of a CSV file in UTF-8, with commas or semicolons; empty lines do not count.

    Raises:
        UnreadableFile: it is too large, or no such file.
    """
    text = _decoded(data)
    records = _records(text, _delimiter(text))
    header = next(records, None)
    if header is None:
        raise UnreadableFile(FileFault.EMPTY)
    names = _columns(*header)
    places = {name: place for place, name in enumerate(names) if name in COLUMNS}
    rows: list[FileRow] = []
    for line, cells in records:
        if len(rows) == MAX_ROWS:
            raise UnreadableFile(FileFault.TOO_MANY_ROWS, line=line)
        rows.append(_row(line, cells, names, places))
    if not rows:
        raise UnreadableFile(FileFault.NO_ROWS)
    return Table("id" in places, rows)


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise UnreadableFile(FileFault.TOO_LARGE)
    if data.startswith(ZIP):
        raise UnreadableFile(FileFault.WORKBOOK)
    if data.startswith(UTF16):
        raise UnreadableFile(FileFault.NOT_UTF8)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(FileFault.NOT_UTF8, line=line) from error


def _delimiter(text: str) -> str:
    """The one that the header has more of."""
    header = text.lstrip().partition("\n")[0]
    return max(DELIMITERS, key=header.count)


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The records that have something in them, each with the line where it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UnreadableFile(FileFault.BROKEN, line=begins) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield begins, cells


def _columns(line: int, cells: Sequence[str]) -> list[str]:
    """The header's names; a column without a name must be empty throughout."""

    def refuse(fault: FileFault, column: str = "") -> NoReturn:
        raise UnreadableFile(fault, line=line, column=column[:40])

    names = [cell.strip().lower() for cell in cells]
    if any("\0" in name for name in names):
        refuse(FileFault.NOT_TEXT)
    if "name" not in names:
        refuse(FileFault.COLUMN_MISSING, "name")
    for place, name in enumerate(names):
        if name and name not in OURS and name not in COLUMNS:
            refuse(FileFault.COLUMN_UNKNOWN, cells[place].strip())
        if name and name in names[:place]:
            refuse(FileFault.COLUMN_TWICE, name)
    return names


def _row(line: int, cells: list[str], names: Sequence[str], places: dict[str, int]) -> FileRow:
    def cell(name: str) -> str:
        place = places.get(name, len(cells))
        return unguarded(cells[place]) if place < len(cells) else ""

    return FileRow(
        line=line,
        name=cell("name"),
        slug=cell("slug").strip() or None,
        number=cell("id").strip() if "id" in places else None,
        has_too_many_cells=any(
            text.strip() for place, text in enumerate(cells) if not _named(place, names)
        ),
    )


def _named(place: int, names: Sequence[str]) -> bool:
    return place < len(names) and bool(names[place])
