"""Queries for the pages of imports; each reads a bounded number of rows."""

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.db.session import Database
from webapp.models.csv_import import RowOutcome, Upload, UploadRow
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.tenants.queries import Page, page_of

READ_AT_ONCE = 1_000
MAX_ID, MAX_LINE = 2**62, 2**31 - 1


def get_upload(session: Session, upload_id: int) -> Upload | None:
    return session.get(Upload, upload_id) if upload_id <= MAX_ID else None


def list_uploads(session: Session, limit: int, before: int | None = None) -> Page[Upload]:
    """Uploads, newest first, at most `limit`."""
    statement = select(Upload).order_by(Upload.id.desc())
    if before is not None:
        statement = statement.where(Upload.id < min(before, MAX_ID))
    return page_of(session, statement, limit)


def rows_of(
    session: Session,
    upload_id: int,
    outcomes: Sequence[RowOutcome],
    limit: int,
    after_line: int = 0,
) -> Sequence[UploadRow]:
    """The rows of these outcomes after this line, in the order of the file."""
    statement = (
        select(UploadRow)
        .where(UploadRow.upload_id == upload_id, UploadRow.outcome.in_(outcomes))
        .where(UploadRow.line > min(after_line, MAX_LINE))
        .order_by(UploadRow.line)
        .limit(limit)
    )
    return session.scalars(statement).all()


def all_rows(database: Database, upload_id: int) -> Iterator[UploadRow]:
    """Every row in the order of the file, read a thousand at a time."""
    line = 0
    while True:
        rows = database.read(rows_of, upload_id, list(RowOutcome), READ_AT_ONCE, line)
        yield from rows
        if len(rows) < READ_AT_ONCE:
            return
        line = rows[-1].line


def partitions_of(session: Session, upload_id: int) -> dict[PartitionState, int]:
    """The number of requested partitions of the created tenants, by their state now."""
    counted = (
        select(Partition.state, func.count().label("tenants"))
        .join(UploadRow, UploadRow.tenant_id == Partition.tenant_id)
        .where(UploadRow.upload_id == upload_id, UploadRow.outcome == RowOutcome.CREATED)
        .where(Partition.state.is_not(None))
        .group_by(Partition.state)
    )
    return {row.state: row.tenants for row in session.execute(counted)}
