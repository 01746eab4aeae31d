"""A leader's lease: one process at a time sweeps, and one checks isolation."""

import os
import secrets
import socket
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, or_, update

from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.models.control import SWEEP, Leadership


class LeaderLease:
    """A process's hold on a lease in the database, a row for each `name`."""

    def __init__(self, database: Database, name: str = SWEEP, holder: str | None = None) -> None:
        self._database = database
        self._name = name
        self._holder = holder or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

    def take(self, lasts: timedelta, rest: timedelta = timedelta(0)) -> bool:
        """Take the lease, unless another process has it or released it less than `rest` ago."""
        now = utc_now()
        free = and_(
            or_(
                Leadership.held_until.is_(None),
                Leadership.held_until < now,
                Leadership.holder == self._holder,
            ),
            or_(Leadership.finished_at.is_(None), Leadership.finished_at <= now - rest),
        )
        taken = {"holder": self._holder, "held_until": now + lasts}
        with self._database.transaction() as session:
            first = insert_into(session, Leadership).values(name=self._name, **taken)
            won = first.on_conflict_do_update(
                index_elements=[Leadership.name], set_=taken, where=free
            )
            return session.scalar(won.returning(Leadership.name)) is not None

    def renew(self, lasts: timedelta) -> bool:
        """Lengthen the lease; False when another process has it: this one must stop."""
        return self._change(held_until=utc_now() + lasts)

    def release(self) -> None:
        """Release the lease, and store when."""
        self._change(holder=None, held_until=None, finished_at=utc_now())

    def _change(self, **values: Any) -> bool:
        mine = (Leadership.name == self._name, Leadership.holder == self._holder)
        changed = update(Leadership).where(*mine).values(values).returning(Leadership.name)
        with self._database.transaction() as session:
            return session.scalar(changed) is not None
