"""Conditional changes of partition rows: all that meet a condition now, and no others."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session

from webapp.models.partition import Partition


def change(
    session: Session, which: ColumnElement[bool], values: dict[str, Any]
) -> Sequence[Partition]:
    """Change the rows that meet the condition at this moment; returns them as they are then.

    Rows are locked in the order of their numbers, so that two changes of the same rows cannot
    wait for each other; the condition is looked at again once a row is locked.
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


def is_any(session: Session, which: ColumnElement[bool]) -> bool:
    """Whether any row meets the condition now: what is asked often asks this first.

    A change that changes nothing still takes SQLite's one lock for writing.
    """
    return bool(session.scalar(select(exists().where(which))))
