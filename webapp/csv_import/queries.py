"""What the pages of uploads read; all of it bounded, whatever the number of uploads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.csv_import.rows import Candidate
from webapp.db.session import Database
from webapp.models.csv_import import RowOutcome, Upload, UploadRow
from webapp.models.partition import Partition
from webapp.models.states import PartitionState

READ_AT_ONCE = 1_000
MAX_ID, MAX_LINE = 2**62, 2**31 - 1


@dataclass(frozen=True)
class Uploaded:
    """Some of the uploads, the newest first, and where older ones begin."""

    items: Sequence[Upload]
    older_than: int | None


def get_upload(session: Session, upload_id: int) -> Upload | None:
    """The upload with this number, as it is now."""
    return session.get(Upload, upload_id) if upload_id <= MAX_ID else None


def list_uploads(session: Session, limit: int, before: int | None = None) -> Uploaded:
    """Uploads, newest first, at most `limit`."""
    statement = select(Upload).order_by(Upload.id.desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(Upload.id < min(before, MAX_ID))
    found = session.scalars(statement).all()
    items = found[:limit]
    return Uploaded(items, items[-1].id if len(found) > limit else None)


def rows_of(
    session: Session,
    upload_id: int,
    outcomes: Sequence[RowOutcome],
    limit: int,
    after_line: int = 0,
) -> Sequence[UploadRow]:
    """The rows of these outcomes that follow this line, in the order of the file."""
    statement = (
        select(UploadRow)
        .where(UploadRow.upload_id == upload_id, UploadRow.outcome.in_(outcomes))
        .where(UploadRow.line > min(after_line, MAX_LINE))
        .order_by(UploadRow.line)
        .limit(limit)
    )
    return session.scalars(statement).all()


def all_rows(database: Database, upload_id: int) -> Iterator[UploadRow]:
    """Every row in the order of the file, a thousand at a time."""
    line = 0
    while True:
        following = (
            select(UploadRow)
            .where(UploadRow.upload_id == upload_id, UploadRow.line > line)
            .order_by(UploadRow.line)
            .limit(READ_AT_ONCE)
        )
        with database.reading() as session:
            rows = session.scalars(following).all()
        yield from rows
        if len(rows) < READ_AT_ONCE:
            return
        line = rows[-1].line


def partitions_of(session: Session, upload_id: int) -> dict[PartitionState, int]:
    """How many partitions of the created tenants are in which state now."""
    counted = (
        select(Partition.state, func.count().label("tenants"))
        .join(UploadRow, UploadRow.tenant_id == Partition.tenant_id)
        .where(UploadRow.upload_id == upload_id, UploadRow.outcome == RowOutcome.CREATED)
        .where(Partition.state.is_not(None))
        .group_by(Partition.state)
    )
    return {row.state: row.tenants for row in session.execute(counted)}


def wanted_slug(row: UploadRow) -> str | None:
    """The slug that a new row will have; None where it is chosen when the tenant is made."""
    return Candidate(row.line, row.name, row.slug, None).wanted_slug
