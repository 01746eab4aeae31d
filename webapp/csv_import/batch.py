"""Creates the tenants of one batch of a confirmed file, in one transaction."""

from collections.abc import Sequence

from sqlalchemy import TextClause, select
from sqlalchemy.orm import Session

from webapp.csv_import.faults import dumped
from webapp.csv_import.rows import Candidate
from webapp.csv_import.validation import Verdict, validate
from webapp.db.session import UnitOfWork
from webapp.db.types import utc_now
from webapp.models.csv_import import RowOutcome, Upload, UploadRow, UploadState
from webapp.models.partition import Partition
from webapp.models.tenant import Tenant
from webapp.numbers.counter import lift
from webapp.partitions.policy import Policy
from webapp.tenants.inserts import hold_back_others, insert_imported, insert_with_requests
from webapp.tenants.slugs import free_slugs

BATCH = 500


def take_batch(
    session: UnitOfWork, upload_id: int, policy: Policy, lock: TextClause
) -> tuple[Upload, list[Partition]] | None:
    """Create the tenants of the next rows.

    Returns the upload and the requested partitions; None where nothing is to be done. The
    upload's row is locked until the commit, so one process creates the tenants of a batch, all or,
    after a crash, none.

    Raises:
        IntegrityError: a slug or a number was taken just now; the transaction is lost.
    """
    upload = session.scalar(
        select(Upload)
        .where(Upload.id == upload_id, Upload.state == UploadState.RUNNING)
        .with_for_update(skip_locked=True)
    )
    if upload is None:
        return None
    hold_back_others(session, lock)
    if upload.highest_number is not None:
        # Before the first insert, so that a sign-up draws none of these numbers.
        lift(session, upload.highest_number)
    rows = _next_rows(session, upload)
    partitions = _create(session, upload, rows, policy)
    _note(upload, rows)
    return upload, partitions


def _next_rows(session: Session, upload: Upload) -> Sequence[UploadRow]:
    next_ones = (
        select(UploadRow)
        .where(
            UploadRow.upload_id == upload.id,
            UploadRow.outcome == RowOutcome.NEW,
            UploadRow.line >= upload.next_line,
        )
        .order_by(UploadRow.line)
        .limit(BATCH)
    )
    return session.scalars(next_ones).all()


def _create(
    session: UnitOfWork, upload: Upload, rows: Sequence[UploadRow], policy: Policy
) -> list[Partition]:
    """Validate the rows again, since tenants may have changed, and store the new ones."""
    candidates = [Candidate.of(row) for row in rows]
    verdicts = list(validate(session, candidates))
    new = [
        (row, candidate)
        for row, candidate, verdict in zip(rows, candidates, verdicts, strict=True)
        if verdict.outcome == RowOutcome.NEW
    ]
    tenants = _tenants(session, [candidate for _, candidate in new])
    if upload.keeps_numbers:
        insert_imported(session, tenants, policy)
    else:
        insert_with_requests(session, tenants, policy, upload.author)
    for (row, _), tenant in zip(new, tenants, strict=True):
        row.outcome, row.tenant_id, row.slug = RowOutcome.CREATED, tenant.id, tenant.slug
    for row, verdict in zip(rows, verdicts, strict=True):
        _leave_out(row, verdict)
    return [one.partition for one in tenants if one.partition.is_requested]


def _tenants(session: Session, candidates: Sequence[Candidate]) -> list[Tenant]:
    given = [one.wanted_slug for one in candidates if one.wanted_slug]
    nameless = [one.name for one in candidates if not one.wanted_slug]
    free = iter(free_slugs(session, nameless, given))
    return [
        Tenant(id=one.number, name=one.name, slug=one.wanted_slug or next(free))
        for one in candidates
    ]


def _leave_out(row: UploadRow, verdict: Verdict) -> None:
    if verdict.outcome == RowOutcome.UNCHANGED:
        row.outcome, row.tenant_id, row.slug = verdict.outcome, verdict.tenant_id, verdict.slug
    elif verdict.outcome == RowOutcome.INVALID:
        row.outcome, row.problems = RowOutcome.REFUSED, dumped(verdict.problems)


def _note(upload: Upload, rows: Sequence[UploadRow]) -> None:
    outcomes = [row.outcome for row in rows]
    upload.created += outcomes.count(RowOutcome.CREATED)
    upload.unchanged += outcomes.count(RowOutcome.UNCHANGED)
    upload.refused += outcomes.count(RowOutcome.REFUSED)
    upload.waiting -= len(rows)
    if rows:
        upload.next_line = rows[-1].line + 1
    if len(rows) < BATCH or not upload.waiting:
        upload.state, upload.finished_at = UploadState.FINISHED, utc_now()
