"""Heartbeats of the parts that serve no page."""

import time
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.models.control import Heartbeat

DUE = "due"
# The moment up to which events are counted; the rollup moves it.
COUNTED = "activity"

WRITTEN_EVERY_S = 5.0


class Heartbeats:
    """Writes heartbeats, at most one each `WRITTEN_EVERY_S`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._written: dict[str, float] = {}

    def beat(self, name: str) -> None:
        """Note that this part works, unless this process did so within `WRITTEN_EVERY_S`."""
        now = time.monotonic()
        if now - self._written.get(name, -WRITTEN_EVERY_S) < WRITTEN_EVERY_S:
            return
        at = utc_now()
        with self._database.transaction() as session:
            beat = insert_into(session, Heartbeat).values(name=name, at=at)
            session.execute(
                beat.on_conflict_do_update(index_elements=[Heartbeat.name], set_={"at": at})
            )
        self._written[name] = now


def last_beat(session: Session, name: str) -> datetime | None:
    """The last heartbeat of this part; None without one."""
    return session.scalar(select(Heartbeat.at).where(Heartbeat.name == name))
