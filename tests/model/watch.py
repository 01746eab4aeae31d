"""What the database itself saw of each change of a partition's row, however short it lasted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, delete, func, select
from sqlalchemy.orm import Session

from webapp.db.types import UtcDateTime
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.tenant import Tenant

MOMENTS = ("lease_until", "requested_at", "last_requested_at", "waiting_since", "ready_at")
SEEN = ("state", "fence", "generation", "dispatch", "attempts", "max_attempts", *MOMENTS)
OLD = [f"old_{name}" for name in SEEN]
NEW = [f"new_{name}" for name in SEEN]

_kinds = {"state": String(32), **dict.fromkeys(MOMENTS, UtcDateTime)}
watched = Table(
    "watched",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("tenant_id", Integer),
    Column("claimed_job_id", String(100)),
    *(Column(f"{when}_{n}", _kinds.get(n, Integer)) for when in ("old", "new") for n in SEEN),
)

_COLUMNS = ", ".join(["tenant_id", "claimed_job_id", *OLD, *NEW])


def _note(before: str, after: str) -> str:
    """The statement by which a trigger writes the row down, as it was and as it is."""
    known = after or before
    row = [f"{known}.tenant_id", f"{known}.claimed_job_id"]
    row += [f"{when}.{name}" if when else "NULL" for when in (before, after) for name in SEEN]
    return f"INSERT INTO watched ({_COLUMNS}) VALUES ({', '.join(row)});"


_NOTES = {
    "UPDATE": _note("OLD", "NEW"),
    "INSERT": _note("", "NEW"),
    "DELETE": _note("OLD", ""),
}
_WATCH = {
    "sqlite": [
        f"CREATE TRIGGER watch_{kind} AFTER {kind} ON partition BEGIN {note} END"
        for kind, note in _NOTES.items()
    ],
    "postgresql": [
        statement
        for kind, note in _NOTES.items()
        for statement in (
            f"CREATE FUNCTION watch_{kind}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {note} RETURN NULL; END $$",
            f"CREATE TRIGGER watch_{kind} AFTER {kind} ON partition "
            f"FOR EACH ROW EXECUTE FUNCTION watch_{kind}()",
        )
    ],
}
_UNWATCH = {
    "sqlite": [f"DROP TRIGGER watch_{kind}" for kind in _NOTES],
    "postgresql": [f"DROP FUNCTION watch_{kind} CASCADE" for kind in _NOTES],
}


@dataclass(frozen=True)
class Row:
    """What is looked at of a partition's row at one moment."""

    state: str
    fence: int
    generation: int
    dispatch: int
    attempts: int
    max_attempts: int
    lease_until: datetime | None
    requested_at: datetime
    last_requested_at: datetime
    waiting_since: datetime | None
    ready_at: datetime | None


@dataclass(frozen=True)
class Change:
    """One change of one row: the row before and after, None where it has no request."""

    tenant_id: int
    job_id: str | None
    old: Row | None
    new: Row | None

    @property
    def states(self) -> tuple[str, str]:
        """The state before and after, empty where there is no request."""
        return self.old.state if self.old else "", self.new.state if self.new else ""

    @property
    def is_claim(self) -> bool:
        if self.old is None or self.new is None or self.new.state != "provisioning":
            return False
        return self.new.fence > self.old.fence


@dataclass(frozen=True)
class Step:
    """All that happened since the last look, and how things are now."""

    changes: Sequence[Change]
    events: Sequence[PartitionEvent]
    rows: Sequence[Partition]
    tenants: Sequence[Tenant]


class Watch:
    def __init__(self, engine: Engine) -> None:
        """What happened before is not looked at, as that a backup was restored."""
        self._engine = engine
        with Session(engine) as session:
            self._last_event = session.scalar(select(func.max(PartitionEvent.id))) or 0
        self._last_change = 0
        with engine.execution_options(writes=True).begin() as connection:
            connection.execute(delete(watched))

    def rows(self) -> Sequence[Partition]:
        with Session(self._engine, expire_on_commit=False) as session:
            return session.scalars(select(Partition)).all()

    def read(self) -> Step:
        newer = watched.c.id > self._last_change
        told = PartitionEvent.id > self._last_event
        with Session(self._engine, expire_on_commit=False) as session:
            noted = session.execute(select(watched).where(newer).order_by(watched.c.id)).all()
            events = session.scalars(select(PartitionEvent).where(told).order_by(PartitionEvent.id))
            step = Step(
                changes=[_change(row) for row in noted],
                events=events.all(),
                rows=session.scalars(select(Partition).order_by(Partition.tenant_id)).all(),
                tenants=session.scalars(select(Tenant).order_by(Tenant.id)).unique().all(),
            )
        if noted:
            self._last_change = noted[-1].id
        if step.events:
            self._last_event = step.events[-1].id
        return step


def _change(row: Any) -> Change:
    old, new = (
        Row(*(getattr(row, name) for name in names)) if getattr(row, names[0]) else None
        for names in (OLD, NEW)
    )
    return Change(row.tenant_id, row.claimed_job_id, old, new)


@contextmanager
def watching(engine: Engine) -> Iterator[None]:
    _execute(engine, _WATCH, before=watched.metadata.create_all)
    try:
        yield
    finally:
        _execute(engine, _UNWATCH)
        with engine.execution_options(writes=True).begin() as connection:
            watched.metadata.drop_all(connection)


def _execute(engine: Engine, statements: dict[str, list[str]], before: Any = None) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        if before:
            before(connection)
        for statement in statements[engine.dialect.name]:
            connection.exec_driver_sql(statement)
