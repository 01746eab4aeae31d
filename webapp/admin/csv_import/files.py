"""The files of an upload: a template, the result, the rejected rows."""

import json
from collections.abc import Iterable, Sequence

from webapp.admin.csv_import.labels import describe
from webapp.csv_import.faults import loaded
from webapp.csv_import.parsing import Layout
from webapp.models.csv_import import RowOutcome, Upload, UploadRow
from webapp.tenants.csv_cells import BOM, harmless, to_csv

TEMPLATE = BOM + to_csv([("name", "slug"), ("Acme S.p.A.", "acme"), ("Example Ltd", None)])
RESULT = ("line", "name", "slug", "id", "outcome", "message")
MESSAGE = "message"
REJECTED = (RowOutcome.INVALID, RowOutcome.REFUSED)


def result(rows: Iterable[UploadRow]) -> str:
    """The result of each row. Messages are in the reader's language."""
    lines = (
        (row.line, row.name, row.slug, row.tenant_id or row.number, row.outcome, _message(row))
        for row in rows
    )
    return BOM + to_csv([RESULT]) + to_csv(lines)


def rejects(upload: Upload, rows: Iterable[UploadRow]) -> bytes:
    """The original rows that became no tenant, with messages; corrected, the file can be uploaded.

    In the encoding and with the delimiter of the upload. A file of one column has no delimiter that
    every spreadsheet recognizes, so it gets no column of messages.
    """
    layout = Layout.from_json(upload.layout) if upload.layout else _earlier_layout(upload)
    names = [cell.strip().lower() for cell in layout.header]
    place = names.index(MESSAGE) if MESSAGE in names else len(names)

    def line(cells: Sequence[str], message: str) -> Sequence[str]:
        if layout.delimiter is None:
            return cells
        padded = [*cells, *[""] * (place - len(cells))]
        return [*padded[:place], message, *padded[place + (MESSAGE in names) :]]

    table = [line(layout.header, MESSAGE)]
    table += [line(_cells(upload, row), _message(row)) for row in rows if row.outcome in REJECTED]
    text = to_csv(table, harmless, layout.delimiter or ",")
    if layout.declares_delimiter:
        return f"sep={layout.delimiter}\r\n{text}".encode(layout.encoding)
    # Spreadsheets recognize UTF-8 by the byte order mark.
    return text.encode("utf-8-sig" if layout.encoding == "utf-8" else layout.encoding)


def _earlier_layout(upload: Upload) -> Layout:
    """The layout for uploads of a version that did not store it."""
    header = ("id", "name", "slug") if upload.keeps_numbers else ("name", "slug")
    return Layout("utf-8-sig", ",", declares_delimiter=False, header=header)


def _cells(upload: Upload, row: UploadRow) -> list[str]:
    if row.cells is not None:
        cells: list[str] = json.loads(row.cells)
        return cells
    return [*([row.number or ""] if upload.keeps_numbers else []), row.name, row.slug or ""]


def _message(row: UploadRow) -> str:
    return " ".join(map(describe, loaded(row.problems)))
