"""The moments that show whether work goes on, in one query."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Result, SelectBase, func, literal, select, union_all
from sqlalchemy.orm import Session

from webapp.models.control import SWEEP, Heartbeat, Leadership
from webapp.models.csv_import import Upload, UploadState
from webapp.models.operation import Operation, OperationState
from webapp.models.process import ProcessKind
from webapp.processes.beats import COUNTED, DUE, RELEASED, stop_of
from webapp.processes.gaps import BACK


@dataclass(frozen=True)
class Moments:
    """The last heartbeats, and since when the oldest work in bulk runs; None for none."""

    due: datetime | None
    swept: datetime | None
    counted: datetime | None
    # The oldest running operation and import, which should take minutes.
    operation_since: datetime | None
    upload_since: datetime | None
    # When a process of the kind was last stopped as it should be; without those that never were.
    stopped: Mapping[ProcessKind, datetime]
    # When signs of life could be stored again, after a time in which none could.
    back: datetime | None = None
    # When the last condition ended that had kept all tenants waiting.
    released: datetime | None = None


def moments(session: Session) -> Moments:
    """The present moments; each is one step in an index, whatever the number of tenants."""
    rows: Result[Any] = session.execute(union_all(*_queries()))
    at = {row.name: row.at for row in rows if row.at is not None}
    return Moments(
        due=at.get(DUE),
        swept=at.get(SWEEP),
        counted=at.get(COUNTED),
        operation_since=at.get(Operation.__tablename__),
        upload_since=at.get(Upload.__tablename__),
        stopped={kind: at[stop_of(kind)] for kind in ProcessKind if stop_of(kind) in at},
        back=at.get(BACK),
        released=at.get(RELEASED),
    )


def _queries() -> Iterator[SelectBase]:
    yield select(Heartbeat.name.label("name"), Heartbeat.at.label("at"))
    yield select(literal(SWEEP), func.max(Leadership.finished_at)).where(Leadership.name == SWEEP)
    yield select(literal(Operation.__tablename__), func.min(Operation.asked_at)).where(
        Operation.state == OperationState.RUNNING
    )
    yield select(literal(Upload.__tablename__), func.min(Upload.confirmed_at)).where(
        Upload.state == UploadState.RUNNING
    )
