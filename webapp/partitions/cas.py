"""Compare-and-set changes of partition rows."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, select, true, tuple_, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from webapp.models.partition import Partition
from webapp.models.states import PartitionState

ALWAYS: ColumnElement[bool] = true()


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
    further: ColumnElement[bool] = ALWAYS,
) -> Sequence[Partition]:
    """Change the rows of claims that still hold; returns them as they are after it.

    `further` is a condition that they must meet besides.

    A claim is the row as it was when its fence was raised. A claim that was lost has an older fence
    than its row, so it changes none.
    """
    fences = [(claim.tenant_id, claim.fence) for claim in claims]
    held = and_(is_one_of(fences, Partition.fence), Partition.state == state, further)
    return change(session, held, values) if fences else []


def is_one_of(
    expected: Sequence[tuple[int, ...]], *columns: InstrumentedAttribute[int]
) -> ColumnElement[bool]:
    """Whether a row's tenant and these columns are as one of the tuples expects.

    SQLite finds rows by a list of numbers, but reads all of them for a list of tuples alone.
    """
    numbers = [tenant_id for tenant_id, *_ in expected]
    as_expected = tuple_(Partition.tenant_id, *columns).in_(expected)
    return and_(Partition.tenant_id.in_(numbers), as_expected)


def is_any(session: Session, which: ColumnElement[bool]) -> bool:
    """Whether any row meets the condition now; to be asked before a change that is rare.

    A change of no rows still takes SQLite's one lock for writing.
    """
    return bool(session.scalar(select(exists().where(which))))
