"""What becomes of a proven partition that Milvus does not list: missing, or made again."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal, or_

from jobs.drift.compare import Listing
from webapp.db.batching import batches
from webapp.db.session import Database, UnitOfWork
from webapp.db.types import UtcDateTime, utc_now
from webapp.halts.brake_state import BRAKED
from webapp.halts.pause_state import NOT_PAUSED
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.partitions import events
from webapp.partitions.cas import change
from webapp.partitions.requests import request_again
from webapp.services import Services

MADE_AGAIN = "Milvus lists it no more; it is made again"
LISTED_NO_MORE = "Milvus lists it no more"
WITHOUT_COLLECTION = "Milvus has no such collection"

READY, MISSING = PartitionState.READY, PartitionState.MISSING


def mark_missing(
    database: Database,
    collection: str,
    numbers: Collection[int],
    asked_at: datetime,
    cause: Cause | None,
) -> int:
    """Mark ready partitions as missing that were not there at `asked_at`; returns how many.

    Those that are missing already take the cause.
    """
    message = WITHOUT_COLLECTION if cause == Cause.COLLECTION_MISSING else LISTED_NO_MORE
    why = {"cause": cause, "error": message}

    def mark(session: UnitOfWork, mine: ColumnElement[bool]) -> int:
        not_proven_since = and_(mine, Partition.state == READY, _before(asked_at))
        now = utc_now()
        gone = {**why, "state": MISSING, "state_since": now, "waiting_since": now}
        rows = change(session, not_proven_since, gone)
        events.record_each(session, rows, events.MISSING, **_told(why), actor="sweep")
        other_cause = Partition.cause.is_distinct_from(cause)
        change(session, and_(mine, Partition.state == MISSING, other_cause), why)
        return len(rows)

    return _in_batches(database, collection, numbers, mark)


def make_again(services: Services, listing: Listing, decided_at: datetime | None = None) -> int:
    """Request each partition again that the list lacks; returns how many.

    None during a pause, when Milvus may be under repair, or while a brake is on, and none that was
    proven after the listing. Each is marked: its rows may be lost. The mark of those that were
    missing at `decided_at`, when a human decided, has that time: they do not count as new losses.
    """
    database, attempts = services.database, services.policy.attempts

    def request(session: UnitOfWork, mine: ColumnElement[bool]) -> int:
        gone = and_(mine, NOT_PAUSED, ~BRAKED, _before(listing.asked_at))
        now = utc_now()
        lost = {"rows_lost_at": _lost_at(now, decided_at)}
        rows = request_again(session, gone, attempts, now, states=(READY, MISSING), further=lost)
        events.record_each(session, rows, events.DRIFT, message=MADE_AGAIN, actor="sweep")
        services.dispatcher.dispatch_after_commit(session, rows)
        return len(rows)

    return _in_batches(database, listing.collection, listing.gone, request)


def _before(asked_at: datetime) -> ColumnElement[bool]:
    """Whether the row is as it was when Milvus was asked, and was not proven since."""
    return and_(
        Partition.state_since < asked_at,
        or_(Partition.verified_at.is_(None), Partition.verified_at < asked_at),
    )


def _lost_at(now: datetime, decided_at: datetime | None) -> Any:
    if decided_at is None:
        return now
    was_missing = and_(Partition.state == MISSING, Partition.state_since <= decided_at)
    return case(
        (was_missing, literal(decided_at, UtcDateTime())), else_=literal(now, UtcDateTime())
    )


def _told(why: dict[str, Any]) -> dict[str, Any]:
    return {"cause": why["cause"], "message": why["error"]}


def _in_batches(
    database: Database,
    collection: str,
    numbers: Collection[int],
    work: Callable[[UnitOfWork, ColumnElement[bool]], int],
) -> int:
    changed = 0
    for batch in batches(sorted(numbers)):
        with database.transaction() as session:
            changed += work(session, _in(collection, batch))
    return changed


def _in(collection: str, numbers: Sequence[int]) -> ColumnElement[bool]:
    return and_(Partition.tenant_id.in_(numbers), Partition.collection == collection)
