"""Counts in windows of time, kept in the database: shared by all processes and machines.

Not in Redis: a limit must also hold while Redis is down, full, frozen or read-only.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Insert, case, delete, or_, select
from sqlalchemy.orm import Session

from webapp.auth.models import LoginCount
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into

PRUNED_AT_ONCE = 500


def key_of(kind: str, value: str) -> str:
    """The key of a count: a digest, since visitors choose the values."""
    return hashlib.sha256(f"{kind}:{value}".encode("utf-8", "surrogateescape")).hexdigest()


def read(session: Session, keys: Iterable[str]) -> dict[str, LoginCount]:
    """The counts whose window has not ended."""
    of_now = select(LoginCount).where(
        LoginCount.key.in_(list(keys)), LoginCount.ends_at > utc_now()
    )
    return {row.key: row for row in session.scalars(of_now)}


def add(session: Session, key: str, window: timedelta, *, at_most: int | None = None) -> int | None:
    """Count one more, in a new window where the last one has ended; returns the count.

    Returns None, and counts nothing, where that would be more than `at_most`. Several keys must be
    added in sorted order, else two transactions could deadlock.
    """
    counted: int | None = session.scalar(_add(session, key, window, at_most))
    return counted


def prune(session: Session) -> None:
    """Delete ended counts; the last step of a transaction that adds."""
    ended = (
        select(LoginCount.key)
        .where(LoginCount.ends_at <= utc_now())
        .limit(PRUNED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    session.execute(
        delete(LoginCount)
        .where(LoginCount.key.in_(ended))
        .execution_options(synchronize_session=False)
    )


def _add(session: Session, key: str, window: timedelta, at_most: int | None) -> Insert:
    now: datetime = utc_now()
    has_ended = LoginCount.ends_at <= now
    return (
        insert_into(session, LoginCount)
        .values(key=key, count=1, ends_at=now + window)
        .on_conflict_do_update(
            index_elements=[LoginCount.key],
            set_={
                "count": case((has_ended, 1), else_=LoginCount.count + 1),
                "ends_at": case((has_ended, now + window), else_=LoginCount.ends_at),
            },
            where=None if at_most is None else or_(has_ended, LoginCount.count < at_most),
        )
        .returning(LoginCount.count)
    )
