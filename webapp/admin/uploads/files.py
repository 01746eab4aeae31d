"""The files that go with an upload: a template before it, result and rejects after it."""

from collections.abc import Iterable, Iterator

from webapp.admin.uploads.words import told
from webapp.tenants.spreadsheets import BOM, written
from webapp.tenants.uploads.models import RowOutcome, Upload, UploadRow
from webapp.tenants.uploads.problems import loaded

TEMPLATE = BOM + written([("name", "slug"), ("Acme S.p.A.", "acme"), ("Example Ltd", None)])
RESULT = ("line", "name", "slug", "id", "outcome", "message")
REJECTED = (RowOutcome.INVALID, RowOutcome.REFUSED)


def result(rows: Iterable[UploadRow]) -> str:
    """What has become of each row. The messages are in the reader's language."""
    lines = (
        (row.line, row.name, row.slug, row.tenant_id or row.number, row.outcome, _message(row))
        for row in rows
    )
    return BOM + written([RESULT]) + written(lines)


def rejects(upload: Upload, rows: Iterable[UploadRow]) -> str:
    """The rows that become no tenant, as they were written: corrected, it can be uploaded."""
    header = ["id"] if upload.keeps_numbers else []
    return BOM + written([[*header, "name", "slug", "message"]]) + written(_rejected(rows))


def _rejected(rows: Iterable[UploadRow]) -> Iterator[list[str | None]]:
    for row in rows:
        if row.outcome in REJECTED:
            number = [] if row.number is None else [row.number]
            yield [*number, row.name, row.slug, _message(row)]


def _message(row: UploadRow) -> str:
    return " ".join(map(told, loaded(row.problems)))
