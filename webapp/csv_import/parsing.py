"""Parses a CSV file of tenants into rows."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import NoReturn

from webapp.csv_import.faults import FileFault, UnreadableFile
from webapp.tenants.csv_cells import unguarded
from webapp.tenants.export import COLUMNS as EXPORTED

MAX_BYTES = 4 * 1024 * 1024
MAX_ROWS = 10_000

# Cells have no limit but the file's, so that a long name is a fault of its row.
csv.field_size_limit(2**31 - 1)

DELIMITERS = (",", ";", "\t", "|")
# In place of a delimiter where a file has one column; no name contains it.
NO_DELIMITER = "\x1f"
# A first line that declares the delimiter to spreadsheets.
DECLARATION = re.compile(r"""("?)sep=([^\w\s"]|\t)\1[ \t]*(?:\r\n|\r|\n|\Z)""", re.IGNORECASE)

COLUMNS = ("id", "name", "slug")
# Further columns of files that we write (results, rejects, exports) are ignored.
KNOWN = frozenset({*COLUMNS, *EXPORTED, "line", "outcome", "message"})

UTF8_BOM, UTF16_BOMS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class FileRow:
    """A row of a file, with its cells as they were written; `line` is its first line, from 1."""

    line: int
    name: str
    slug: str | None = None
    # None: the file has no numbers of its own.
    number: str | None = None
    has_too_many_cells: bool = False
    cells: Sequence[str] = ()


@dataclass(frozen=True)
class Layout:
    """The format of a file, so that its rejects are written in the same one."""

    encoding: str
    # None: the file has one column.
    delimiter: str | None
    declares_delimiter: bool
    header: Sequence[str]

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Layout":
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Table:
    """The rows of a file, its layout, and the names of its columns."""

    layout: Layout
    columns: Sequence[str]
    rows: Sequence[FileRow]

    @property
    def keeps_numbers(self) -> bool:
        return "id" in self.columns


def parse(data: bytes, most_bytes: float = MAX_BYTES, most_rows: float = MAX_ROWS) -> Table:
    """The rows of a CSV file in UTF-8 or UTF-16; empty lines do not count.

    The delimiter is the one of the header, or the one that a line `sep=` declares.

    Raises:
        UnreadableFile: it is too large, or not such a file.
    """
    if len(data) > most_bytes:
        raise UnreadableFile(FileFault.TOO_LARGE)
    text, encoding = _decoded(data)
    declared = DECLARATION.match(text)
    body = text[declared.end() :] if declared else text
    delimiter = declared[2] if declared else _delimiter(body)
    records = _records(body, delimiter, lines_before=1 if declared else 0)
    line, header = next(records, (1, None))
    if header is None:
        raise UnreadableFile(FileFault.EMPTY)
    names = _columns(line, header)
    places = {name: place for place, name in enumerate(names) if name in COLUMNS}
    rows: list[FileRow] = []
    for line, cells in records:
        if len(rows) == most_rows:
            raise UnreadableFile(FileFault.TOO_MANY_ROWS, line=line)
        rows.append(_row(line, cells, names, places))
    if not rows:
        raise UnreadableFile(FileFault.NO_ROWS)
    return Table(Layout(encoding, delimiter, declared is not None, header), names, rows)


def _decoded(data: bytes) -> tuple[str, str]:
    """The text and its encoding, from a byte order mark, else UTF-8."""
    if data.startswith(ZIP):
        raise UnreadableFile(FileFault.WORKBOOK)
    try:
        if data.startswith(UTF16_BOMS):
            return data.decode("utf-16"), "utf-16"
        encoding = "utf-8-sig" if data.startswith(UTF8_BOM) else "utf-8"
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        if error.encoding.startswith("utf-16"):
            raise UnreadableFile(FileFault.NOT_TEXT) from error
        line = len(re.findall(rb"\r\n|\r|\n", data[: error.start])) + 1
        raise UnreadableFile(FileFault.NOT_UTF8, line=line) from error


def _delimiter(text: str) -> str | None:
    """The delimiter that splits the header into most known names; None where none splits it."""
    header = _first_line(text)
    if not header:
        return DELIMITERS[0]

    def names_in(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([header], delimiter=delimiter), [])
        return sum(_name(cell) in KNOWN for cell in cells), len(cells)

    best = max(DELIMITERS, key=names_in)
    return best if names_in(best)[1] > 1 else None


def _first_line(text: str) -> str:
    """The first line that holds more than delimiters."""
    first = re.search(r"""[^\s,;|"]""", text)
    if first is None:
        return ""
    begins = max(text.rfind(end, 0, first.start()) for end in "\r\n") + 1
    return re.split(r"[\r\n]", text[begins:], maxsplit=1)[0]


def _records(
    text: str, delimiter: str | None, lines_before: int
) -> Iterator[tuple[int, list[str]]]:
    """The records that are not empty, each with the line where it begins."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter or NO_DELIMITER, strict=True)
    while True:
        begins = lines_before + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UnreadableFile(FileFault.BROKEN, line=begins) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield begins, cells


def _name(cell: str) -> str:
    return cell.strip().lower()


def _columns(line: int, cells: Sequence[str]) -> list[str]:
    """The header's names; a column without a name must be empty throughout."""

    def refuse(fault: FileFault, column: str = "") -> NoReturn:
        raise UnreadableFile(fault, line=line, column=column[:40])

    names = list(map(_name, cells))
    if any("\0" in name for name in names):
        refuse(FileFault.NOT_TEXT)
    if "name" not in names:
        refuse(FileFault.COLUMN_MISSING, "name")
    for place, name in enumerate(names):
        if name and name not in KNOWN:
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
        cells=cells,
    )


def _named(place: int, names: Sequence[str]) -> bool:
    return place < len(names) and bool(names[place])
