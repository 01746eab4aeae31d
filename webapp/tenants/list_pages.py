"""The tenants of a list, a page at a time: what a page costs does not grow with the tenants."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Select, and_, select, true
from sqlalchemy.orm import Session, contains_eager

from webapp.models.tenant import Tenant
from webapp.models.tenant_search import matches, number_in
from webapp.tenants.list_orders import Place, order_of
from webapp.tenants.queries import TenantFilter, conditions

# So many that match a text are looked at, and no more; a text that matches more says too little.
MATCHES_AT_MOST = 500


@dataclass(frozen=True)
class Walked:
    """A page of a list, and whether there are more before it and behind it."""

    items: Sequence[Tenant]
    has_before: bool
    has_behind: bool


@dataclass(frozen=True)
class Searched:
    """A page of what was found, the number of all; `is_cut`: more matched than were looked at."""

    items: Sequence[Tenant]
    total: int
    is_cut: bool


def walk(session: Session, wanted: TenantFilter, limit: int, place: Place | None = None) -> Walked:
    """At most `limit` tenants from there on, for a filter without text.

    Each order is an index's, so nothing is counted, skipped or sorted. A place that is none
    of this list's is its beginning.
    """
    try:
        return _walked(session, wanted, limit, place)
    except ValueError:
        return _walked(session, wanted, limit, None)


def _walked(session: Session, wanted: TenantFilter, limit: int, place: Place | None) -> Walked:
    order, statement = order_of(wanted), _chosen(wanted)
    if place and place.is_end:
        backwards = [column.desc() for column in order.columns]
        statement = statement.where(order.ahead_of(place)).order_by(*backwards)
        found = session.scalars(statement.limit(limit + 1)).all()
        if len(found) > limit:
            return Walked(found[:limit][::-1], has_before=True, has_behind=True)
        # The list begins here: a whole page from its first tenant on.
        return _walked(session, wanted, limit, None)
    statement = statement.where(order.behind(place)) if place else statement
    found = session.scalars(statement.order_by(*order.columns).limit(limit + 1)).all()
    return Walked(found[:limit], place is not None, len(found) > limit)


def search(session: Session, wanted: TenantFilter, limit: int, skip: int = 0) -> Searched:
    """Those that match the text: who has the number itself first, then in the list's order."""
    found = session.execute(_matching(wanted)).all()
    meant = [number for number, is_meant in found if is_meant][:MATCHES_AT_MOST]
    page = meant[skip : skip + limit]
    items = {row.id: row for row in session.scalars(_numbered(page))} if page else {}
    shown = [items[number] for number in page if number in items]
    return Searched(shown, len(meant), len(found) > MATCHES_AT_MOST)


def _matching(wanted: TenantFilter) -> Select[int, bool]:
    """All that match the text, or one more than are looked at; the others are not meant."""
    is_meant = and_(true(), *conditions(replace(wanted, q="")))
    is_other = Tenant.id != (number_in(wanted.q) or 0)
    at_most = MATCHES_AT_MOST + 1
    candidates = (
        select(Tenant.id, is_other.label("is_other"))
        .where(matches(wanted.q, at_most))
        .order_by(is_other, Tenant.id)
        .limit(at_most)
        .subquery()
    )
    return (
        select(Tenant.id, is_meant.label("is_meant"))
        .join(candidates, candidates.c.id == Tenant.id)
        .join(Tenant.partition)
        .order_by(candidates.c.is_other, *order_of(wanted).columns)
    )


def _numbered(numbers: Sequence[int]) -> Select[Tenant]:
    return _with_partition(select(Tenant)).where(Tenant.id.in_(numbers))


def _chosen(wanted: TenantFilter) -> Select[Tenant]:
    return _with_partition(select(Tenant)).where(*conditions(wanted))


def _with_partition(statement: Select[Tenant]) -> Select[Tenant]:
    return statement.join(Tenant.partition).options(contains_eager(Tenant.partition))
