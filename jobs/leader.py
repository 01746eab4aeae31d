"""A leader's lease: one process at a time sweeps, and one checks isolation."""

import os
import secrets
import socket
from datetime import timedelta

from sqlalchemy import and_, or_, update
from sqlalchemy.exc import IntegrityError

from webapp.db.session import Database
from webapp.db.types import utc_now
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
            Leadership.name == self._name,
            or_(
                Leadership.held_until.is_(None),
                Leadership.held_until < now,
                Leadership.holder == self._holder,
            ),
            or_(Leadership.finished_at.is_(None), Leadership.finished_at <= now - rest),
        )
        taken = {"holder": self._holder, "held_until": now + lasts}
        try:
            with self._database.transaction() as session:
                if session.get(Leadership, self._name) is None:
                    session.add(Leadership(name=self._name, **taken))
                    return True
                won = session.execute(
                    update(Leadership).where(free).values(taken).returning(Leadership.name)
                )
                return won.first() is not None
        except IntegrityError:
            return False

    def renew(self, lasts: timedelta) -> bool:
        """Lengthen the lease; False when another process has it: this one must stop."""
        with self._database.transaction() as session:
            kept = session.execute(
                update(Leadership)
                .where(Leadership.name == self._name, Leadership.holder == self._holder)
                .values(held_until=utc_now() + lasts)
                .returning(Leadership.name)
            )
            return kept.first() is not None

    def release(self) -> None:
        """Release the lease, and store when."""
        with self._database.transaction() as session:
            session.execute(
                update(Leadership)
                .where(Leadership.name == self._name, Leadership.holder == self._holder)
                .values(holder=None, held_until=None, finished_at=utc_now())
            )
