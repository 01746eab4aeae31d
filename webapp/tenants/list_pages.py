"""Pages of tenants, at a cost that does not grow with their number."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Select, and_, select, true
from sqlalchemy.orm import Session, contains_eager

from webapp.models.tenant import Tenant
from webapp.models.tenant_search import matches, number_in
from webapp.tenants.list_orders import Place, order_of
from webapp.tenants.queries import TenantFilter, conditions

# At most this many matches of a text are read; a text with more is too general.
MATCHES_AT_MOST = 500


@dataclass(frozen=True)
class Walked:
    """A page of a list, and whether there are tenants before and behind it."""

    items: Sequence[Tenant]
    has_before: bool
    has_behind: bool


@dataclass(frozen=True)
class Searched:
    """A page of matches, and their number; `is_cut`: more match than were read."""

    items: Sequence[Tenant]
    total: int
    is_cut: bool


def walk(session: Session, wanted: TenantFilter, limit: int, place: Place | None = None) -> Walked:
    """At most `limit` tenants from a place on, for a filter without text.

    Each order is an index's, so nothing is counted, skipped or sorted. An invalid place counts as
    the beginning.
    """
    try:
        return _walked(session, wanted, limit, place)
    except ValueError:
        return _walked(session, wanted, limit, None)


def _walked(session: Session, wanted: TenantFilter, limit: int, place: Place | None) -> Walked:
    order = order_of(wanted)
    statement = _with_partition(*conditions(wanted), order.holds)
    if place and place.is_end:
        backwards = [column.desc() for column in order.columns]
        statement = statement.where(order.ahead_of(place)).order_by(*backwards)
        tenants = session.scalars(statement.limit(limit + 1)).all()
        if len(tenants) > limit:
            return Walked(tenants[:limit][::-1], has_before=True, has_behind=True)
        # The list begins here: a whole page from its first tenant on.
        return _walked(session, wanted, limit, None)
    statement = statement.where(order.behind(place)) if place else statement
    tenants = session.scalars(statement.order_by(*order.columns).limit(limit + 1)).all()
    return Walked(tenants[:limit], place is not None, len(tenants) > limit)


def search(session: Session, wanted: TenantFilter, limit: int, skip: int = 0) -> Searched:
    """The matches of a text: the tenant with this number first, then in the list's order."""
    matching = session.execute(_matching(wanted)).all()
    numbers = [number for number, passes in matching if passes][:MATCHES_AT_MOST]
    page = numbers[skip : skip + limit]
    rows = session.scalars(_with_partition(Tenant.id.in_(page))) if page else ()
    items = {row.id: row for row in rows}
    shown = [items[number] for number in page if number in items]
    return Searched(shown, len(numbers), len(matching) > MATCHES_AT_MOST)


def _matching(wanted: TenantFilter) -> Select[int, bool]:
    """The matches of the text, at most one more than are read, and whether the filter passes."""
    passes = and_(true(), *conditions(replace(wanted, q="")))
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
        select(Tenant.id, passes.label("passes"))
        .join(candidates, candidates.c.id == Tenant.id)
        .join(Tenant.partition)
        .order_by(candidates.c.is_other, *order_of(wanted).columns)
    )


def _with_partition(*which: ColumnElement[bool]) -> Select[Tenant]:
    joined = select(Tenant).join(Tenant.partition).options(contains_eager(Tenant.partition))
    return joined.where(*which)
