"""Heartbeats of the parts that serve no page."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.models.control import Heartbeat
from webapp.models.process import ProcessKind

DUE = "due"
# The moment up to which events are counted; the rollup moves it.
COUNTED = "activity"
# When the last condition ended that had kept all tenants waiting.
RELEASED = "released"


def beat(database: Database, name: str) -> None:
    """Note that this part works."""
    with database.transaction() as session:
        note(session, name)


def note(session: Session, name: str, at: datetime | None = None) -> None:
    """Store the moment under this name; None: the present one."""
    at = at or utc_now()
    first = insert_into(session, Heartbeat).values(name=name, at=at)
    session.execute(first.on_conflict_do_update(index_elements=[Heartbeat.name], set_={"at": at}))


def stop_of(kind: ProcessKind) -> str:
    """The name under which the last orderly stop of such a process is noted."""
    return f"{kind}.stopped"


def last_beat(session: Session, name: str) -> datetime | None:
    """The last heartbeat of this part; None without one."""
    return session.scalar(select(Heartbeat.at).where(Heartbeat.name == name))
