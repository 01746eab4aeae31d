"""Compare-and-set changes of partition rows."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, select, tuple_, update
from sqlalchemy.orm import Session

from webapp.models.partition import Partition
from webapp.models.states import PartitionState


def change(
    session: Session, which: ColumnElement[bool], values: dict[str, Any]
) -> Sequence[Partition]:
    """Change the rows that meet the condition now; returns them as they are after it.

    Rows are locked in the order of their numbers, so that two changes cannot deadlock; the
    condition is checked again once a row is locked.
    """
    ordered = (
        select(Partition.tenant_id).where(which).order_by(Partition.tenant_id).with_for_update()
    )
    statement = (
        update(Partition)
        .where(Partition.tenant_id.in_(ordered), which)
        .values(values)
        .returning(Partition)
        .execution_options(populate_existing=True)
    )
    return session.scalars(statement).all()


def change_held(
    session: Session,
    claims: Collection[Partition],
    state: PartitionState,
    values: dict[str, Any],
) -> Sequence[Partition]:
    """Change the rows of claims that still hold; returns them as they are after it.

    A claim is the row as it was when its fence was raised. A claim that was lost has an older fence
    than its row, so it changes none.
    """
    fences = [(claim.tenant_id, claim.fence) for claim in claims]
    held = and_(tuple_(Partition.tenant_id, Partition.fence).in_(fences), Partition.state == state)
    return change(session, held, values) if fences else []


def is_any(session: Session, which: ColumnElement[bool]) -> bool:
    """Whether any row meets the condition now; to be asked before a change that is rare.

    A change of no rows still takes SQLite's one lock for writing.
    """
    return bool(session.scalar(select(exists().where(which))))
