"""A crowd of tenants, put straight into a database: the same ones each time, in seconds.

The partitions are in the states that a real installation has them in, and stay there: nothing
is due, nothing dispatches. Only a sweep would find out that Milvus has none of them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    String,
    case,
    cast,
    exists,
    insert,
    literal,
    select,
    text,
)

from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.naming import partition_name, slugify
from webapp.models.partition import Departure, Partition, PartitionEvent
from webapp.models.states import (
    GONE,
    WAITING,
    DepartureOutcome,
    IfExists,
    PartitionState,
    Provider,
    Result,
)
from webapp.models.tenant import Tenant
from webapp.partitions import events

FIRST = (
    *("Müller", "Borealis", "Çelik", "Delta", "Égide", "Fiore", "Granite", "Harbour"),
    *("Iris", "Jupiter", "Kestrel", "Łódź", "Meridian", "Nordlys", "Ørsted", "Prisma"),
    *("Quarry", "Rossi", "Sakura", "Tundra", "Umbra", "Vela", "Willow", "Xenia"),
    *("Yukon", "Ζέφυρος"),
)
SECOND = (
    *("Foods", "Energy", "Logistics", "Bank", "Health", "Studio", "Papier", "Optik", "Tessuti"),
    *("Maritime", "Robotics", "Legal", "Travel", "Insurance", "Verlag", "Mining", "Glass"),
)
# How many of a hundred failures have which cause, and what the last attempt was told.
CAUSES = (
    (Cause.MILVUS_UNREACHABLE, 55, "failed to connect to all addresses: connection refused"),
    (Cause.TIMEOUT, 20, "no answer within 10 s while creating the partition"),
    (Cause.RATE_LIMITED, 10, "request is rejected by grpc RateLimiter middleware"),
    (Cause.CAPACITY, 8, "partition number (1024) exceeds max configuration (1024)"),
    (Cause.UNEXPECTED, 5, "unexpected EOF in the answer of createPartition"),
    (Cause.AUTH, 2, "auth check failure, please check username and password"),
)
# A prime, so that those of one state lie scattered over all numbers.
STRIDE = 7919
ADOPTED = 200
EVENTFUL = 1_000
AT_ONCE = 5_000
FAR = timedelta(days=30)
RUNS = "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_tenant_search'"

States = Mapping[int, PartitionState | None]


@dataclass(frozen=True)
class Crowd:
    """How many tenants there are, and how many of them have failed."""

    tenants: int = 100_000
    failed: int = 5_000

    def __post_init__(self) -> None:
        if self.tenants % STRIDE == 0:
            raise ValueError(f"a multiple of {STRIDE} does not scatter")


def seed(engine: Engine, crowd: Crowd, now: datetime | None = None) -> None:
    """Put the crowd into an empty, migrated database, in one transaction."""
    now = now or utc_now()
    states = {number: state_of(crowd, number) for number in range(1, crowd.tenants + 1)}
    with engine.execution_options(writes=True).begin() as connection, _found_later(connection):
        _insert(connection, Tenant, _tenants(crowd, states, now, with_request=True))
        _insert(connection, Partition, _partitions(crowd, states, now))
        connection.execute(_the_others_are_ready(crowd))
        _insert(connection, Tenant, _tenants(crowd, states, now, with_request=False))
        _insert(connection, Partition, _not_requested(states))
        _insert(connection, Departure, _departures(states, now))
        _insert(connection, PartitionEvent, _events(crowd, states, now))
        if engine.dialect.name == "postgresql":
            last = "SELECT setval(pg_get_serial_sequence('tenant', 'id'), max(id)) FROM tenant"
            connection.execute(text(last))
    if engine.dialect.name == "postgresql":
        _vacuum(engine)


@contextmanager
def _found_later(connection: Connection) -> Iterator[None]:
    """Fill the search's index at the end: tenant by tenant that costs ten times as much."""
    if connection.dialect.name == "postgresql":
        made = connection.execute(text(RUNS)).scalar_one()
        connection.exec_driver_sql("DROP INDEX ix_tenant_search")
        yield
        connection.exec_driver_sql(made)
        return
    triggers = connection.exec_driver_sql(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'tenant'"
    ).all()
    for trigger in triggers:
        connection.exec_driver_sql(f"DROP TRIGGER {trigger.name}")
    yield
    for trigger in triggers:
        connection.exec_driver_sql(trigger.sql)
    (insert,) = (trigger.sql for trigger in triggers if trigger.name == "tenant_search_insert")
    adding = insert.partition(" BEGIN ")[2].rpartition(";")[0].replace("new.", "tenant.")
    connection.exec_driver_sql(f"{adding} FROM tenant")


def _vacuum(engine: Engine) -> None:
    """What the server does by itself within a minute. SQLite does nothing of the kind."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def name_of(number: int) -> str:
    # Every second one is a daughter of one house, so that there is a text that many match.
    first = FIRST[number // 2 % len(FIRST)] if number % 2 else "Acme"
    return f"{first} {SECOND[number % len(SECOND)]} {number}"


def state_of(crowd: Crowd, number: int) -> PartitionState | None:
    """The state of the tenant's partition; None for an imported tenant, without a request."""
    place = number * STRIDE % crowd.tenants
    for state, count in _shares(crowd):
        if place < count:
            return state
        place -= count
    return PartitionState.READY


def _shares(crowd: Crowd) -> tuple[tuple[PartitionState | None, int], ...]:
    hundredth = max(crowd.tenants // 100, 1)
    return (
        (PartitionState.FAILED, crowd.failed),
        (None, max(hundredth, 15)),
        (PartitionState.REMOVED, hundredth),
        (PartitionState.REMOVING, max(hundredth // 4, 1)),
        (PartitionState.PENDING, max(hundredth // 4, 1)),
        (PartitionState.PROVISIONING, max(hundredth // 20, 1)),
    )


def _tenants(
    crowd: Crowd, states: States, now: datetime, *, with_request: bool
) -> Iterator[dict[str, Any]]:
    for number, state in states.items():
        if (state is None) == with_request:
            continue
        name, born = name_of(number), _born(crowd, number, now)
        yield {
            "id": number,
            "name": name,
            "slug": slugify(name),
            "created_at": born,
            "updated_at": born,
            "deleted_at": now - timedelta(days=1) if state in GONE else None,
        }


def _born(crowd: Crowd, number: int, now: datetime) -> datetime:
    """Spread over three months, the highest number last."""
    return now - timedelta(days=90) * ((crowd.tenants - number + 1) / crowd.tenants)


def _partitions(crowd: Crowd, states: States, now: datetime) -> Iterator[dict[str, Any]]:
    for number, state in states.items():
        if state in {None, PartitionState.READY}:
            continue
        born = _born(crowd, number, now)
        yield {
            **_BLANK,
            "tenant_id": number,
            "name": partition_name(number),
            **dict.fromkeys(("requested_at", "last_requested_at"), born),
            **dict.fromkeys(("state_since", "dispatched_at"), born),
            "waiting_since": born if state in WAITING else None,
            "job_id": f"t{number}-g1-d1",
            "state": state,
            **_in_state(state, number, now),
        }


def _not_requested(states: States) -> Iterator[dict[str, Any]]:
    for number, state in states.items():
        if state is None:
            yield {"tenant_id": number, "name": partition_name(number), "max_attempts": 3}


def _the_others_are_ready(crowd: Crowd) -> Insert:
    """The rows of all others, made by the database itself, which is much faster."""
    born, number = Tenant.created_at, cast(Tenant.id, String)
    values: dict[str, Any] = {
        "tenant_id": Tenant.id,
        "name": literal("tenant_") + number,
        "job_id": literal("t") + number + literal("-g1-d1"),
        **dict.fromkeys(("state_since", "dispatched_at", "ready_at"), born),
        **dict.fromkeys(("requested_at", "last_requested_at"), born),
        # A few were there before they were asked for.
        "seen_absent_at": case((Tenant.id % max(crowd.tenants // ADOPTED, 1) != 0, born)),
        **{name: _as_column(name, value) for name, value in _READY.items()},
    }
    others = select(*values.values()).where(~exists().where(Partition.tenant_id == Tenant.id))
    return insert(Partition).from_select(list(values), others)


def _as_column(name: str, value: Any) -> Any:
    return literal(value, Partition.__table__.columns[name].type)


def _in_state(state: PartitionState | None, number: int, now: datetime) -> dict[str, Any]:
    lately = now - timedelta(seconds=number % 3600)
    if state == PartitionState.FAILED:
        cause, error = _cause(number)
        told = f"{error} (partition {partition_name(number)})"
        return {"attempts": 3, "state_since": lately, "cause": cause, "error": told}
    if state == PartitionState.PENDING:
        later = dict.fromkeys(("dispatch_after", "next_attempt_at"), now + FAR)
        return {"attempts": 0, "state_since": now, **later}
    if state == PartitionState.PROVISIONING:
        return {"state_since": now, "lease_until": now + FAR}
    if state == PartitionState.REMOVING:
        return {"state_since": lately, "remove_at": now + FAR}
    return {"state_since": lately, "remove_at": lately, "drop_began_at": lately}


def _cause(number: int) -> tuple[Cause, str]:
    place = number * STRIDE % 100
    for cause, share, error in CAUSES:
        if place < share:
            return cause, error
        place -= share
    raise AssertionError("the shares do not add up to a hundred")


_COMMON: dict[str, Any] = {
    "collection": "kb_chunks_v1",
    "max_attempts": 3,
    "generation": 1,
    "dispatch": 1,
    "fence": 1,
    "attempts": 1,
    "reopens": 0,
    "if_exists": IfExists.REFUSE,
    "provider": Provider.SDK,
}
_READY: dict[str, Any] = {**_COMMON, "state": PartitionState.READY, "result": Result.CREATED}
_BLANK: dict[str, Any] = {
    **_COMMON,
    **dict.fromkeys(
        ("cause", "error", "dispatch_after", "next_attempt_at", "lease_until", "remove_at")
    ),
    "drop_began_at": None,
}


def _departures(states: States, now: datetime) -> Iterator[dict[str, Any]]:
    at = now - timedelta(days=1)
    for number, state in states.items():
        if state not in GONE:
            continue
        is_gone = state == PartitionState.REMOVED
        yield {
            "tenant_id": number,
            "requested_at": at,
            "requested_by": "user:admin@example.com",
            "rows": 100 if is_gone else None,
            "dropped_at": at if is_gone else None,
            "confirmed_at": at if is_gone else None,
            "outcome": DepartureOutcome.DROPPED if is_gone else None,
        }


def _events(crowd: Crowd, states: States, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(max(crowd.tenants - EVENTFUL, 0) + 1, crowd.tenants + 1):
        born, state = _born(crowd, number, now), states[number]
        yield _event(events.REQUESTED, number, born)
        if state == PartitionState.READY:
            yield _event(events.CREATED, number, born, duration_ms=20 + number % 100)
        if state == PartitionState.FAILED:
            cause, error = _cause(number)
            yield _event(events.CREATE_FAILED, number, born, cause=cause, message=error)


def _event(name: str, number: int, at: datetime, **values: Any) -> dict[str, Any]:
    blank = {"attempt": 1, "cause": None, "message": None, "duration_ms": None}
    job = {"tenant_id": number, "generation": 1, "job_id": f"t{number}-g1-d1"}
    return {**job, **blank, "event": name, "at": at, "actor": "api:crowd", **values}


def _insert(connection: Connection, model: Any, rows: Iterator[dict[str, Any]]) -> None:
    while batch := list(islice(rows, AT_ONCE)):
        connection.execute(insert(model), batch)
