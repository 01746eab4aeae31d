"""The first wishes of tenants that were there before: whoever has one already is left alone."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import Select, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from webapp.database import utc_now
from webapp.tenants import timeline
from webapp.tenants.models import Partition, Tenant
from webapp.tenants.rules import Rules
from webapp.tenants.states import IfExists
from webapp.tenants.wishes import first_wish

# By this message in their timelines, those who were there before are told from sign-ups.
OF_BEFORE = "asked for by a backfill"


def wish_first(
    session: Session,
    tenant_ids: Sequence[int],
    rules: Rules,
    *,
    adopting: frozenset[int] = frozenset(),
    request_id: str | None = None,
) -> Sequence[Partition]:
    """Insert wishes for the living among these that have none, and return their rows.

    Rows that are in their partitions already are adopted for those in `adopting` alone.
    """
    wishes = [
        first_wish(number, rules, utc_now(), request_id)
        for number in session.scalars(_without(tenant_ids))
    ]
    for wish in wishes:
        if wish.tenant_id in adopting:
            wish.if_exists = IfExists.ADOPT
    if not wishes:
        return []
    columns = cast(Table, Partition.__table__).columns.keys()
    rows = [
        {name: value for name in columns if (value := getattr(wish, name)) is not None}
        for wish in wishes
    ]
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(Partition).values(rows).on_conflict_do_nothing()
    return session.scalars(statement.returning(Partition)).all()


def first_entry(row: Partition, actor: str) -> timeline.Entry:
    """What the timeline tells of such a wish."""
    return timeline.entry_of(row, timeline.REQUESTED, actor=actor, message=OF_BEFORE)


def _without(tenant_ids: Sequence[int]) -> Select[int]:
    return (
        select(Tenant.id)
        .join(Partition, isouter=True)
        .where(
            Tenant.id.in_(tenant_ids),
            Tenant.deleted_at.is_(None),
            Partition.tenant_id.is_(None),
        )
        .order_by(Tenant.id)
        .with_for_update(of=Tenant, key_share=True)
    )
