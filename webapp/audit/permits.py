"""The one way to change the audit: a permit that the database's triggers look for."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from webapp.models.retention import AuditPermit


@contextmanager
def permitted(
    session: Session,
    entry_id: int,
    *,
    cut_off: datetime | None = None,
    pseudonym: str | None = None,
) -> Iterator[None]:
    """Let this transaction delete entries of before the cut-off, or put the pseudonym into some.

    `entry_id` is the audit entry that records this, `audit.prune` or `user.erase`. No other
    transaction sees the permit, which is gone at the end of the block.
    """
    values = {"entry_id": entry_id, "cut_off": cut_off, "pseudonym": pseudonym}
    session.execute(insert(AuditPermit), [values])
    yield
    session.execute(delete(AuditPermit).where(AuditPermit.entry_id == entry_id))
