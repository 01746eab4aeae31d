"""Creating many tenants at once: a result for each row, and one transaction for all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, insert, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.database import Database, utc_now
from webapp.tenants import audit, deeds, timeline
from webapp.tenants.actors import Actor
from webapp.tenants.errors import DomainError, SlugTaken
from webapp.tenants.models import Partition, Tenant
from webapp.tenants.repeats import ANY_NUMBER, Once
from webapp.tenants.ringing import Ringing
from webapp.tenants.rules import Rules
from webapp.tenants.service import check_slug, checked_name
from webapp.tenants.slugs import free_slugs, slugs_in_use
from webapp.tenants.wishes import first_wish, ring_for

# Any number of ours will do: of several that create many, one writes at a time, or each could
# wait for a slug of the other.
ONE_WRITES = text("SELECT pg_advisory_xact_lock(7274284)")
# What the database itself takes the next number from, so that none is given twice.
NEXT_NUMBERS = text(
    "SELECT nextval(pg_get_serial_sequence('tenant', 'id')) FROM generate_series(1, :count)"
)
LAST_NUMBER = text("SELECT seq FROM sqlite_sequence WHERE name = 'tenant'")
NOBODY_ELSE_WRITES = text("LOCK TABLE tenant IN SHARE ROW EXCLUSIVE MODE")


@dataclass(frozen=True)
class Wanted:
    """A tenant to be created. A slug left out is made from the name."""

    name: str
    slug: str | None = None


Row = Wanted | DomainError
Result = Tenant | DomainError


class Bulk:
    """Stores many tenants with the wishes for their partitions."""

    def __init__(self, database: Database, ringing: Ringing, rules: Rules) -> None:
        self._database = database
        self._ringing = ringing
        self._rules = rules

    def create(
        self,
        rows: Sequence[Row],
        *,
        actor: Actor,
        once: Once = ANY_NUMBER,
    ) -> list[Result]:
        """Store what can be stored, then ring for it; a result per row, in the order of the rows.

        A row that is refused (also one that comes as its error already) leaves the others alone.
        Costs a few statements, not some for each row.

        Raises:
            Repeated: see `Once`.
        """
        checked = [_checked(row) for row in rows]
        try:
            results, entries, deed = self._insert(checked, actor, once, ONE_WRITES)
        except IntegrityError:
            # A sign-up took one of the slugs meanwhile; this time none can.
            results, entries, deed = self._insert(checked, actor, once, NOBODY_ELSE_WRITES)
        if deed:
            audit.announce(deed)
        timeline.announce(entries)
        self._ringing.ring([ring_for(partition) for partition in _partitions(results)])
        return results

    def _insert(
        self,
        rows: Sequence[Row],
        actor: Actor,
        once: Once,
        lock: TextClause,
    ) -> tuple[list[Result], list[timeline.Entry], audit.Deed | None]:
        with self._database.transaction() as session:
            once.begin(session)
            # SQLite has one writer at a time anyway.
            if session.get_bind().dialect.name == "postgresql":
                session.execute(lock)
            results = _with_slugs(session, rows)
            tenants = [row for row in results if isinstance(row, Tenant)]
            self._add(session, tenants, actor.request_id)
            entries = [
                timeline.entry_of(partition, timeline.REQUESTED, actor=actor.name)
                for partition in _partitions(results)
            ]
            timeline.write(session, entries)
            refused = len(results) - len(tenants)
            deed = deeds.created_many(session, tenants, refused, actor) if tenants else None
            once.finish(session, results)
        return results, entries, deed

    def _add(self, session: Session, tenants: Sequence[Tenant], request_id: str | None) -> None:
        """Store the tenants, numbered in their order, each with its first wish."""
        now = utc_now()
        for tenant, number in zip(tenants, _draw_numbers(session, len(tenants)), strict=True):
            tenant.id = number
            tenant.created_at = tenant.updated_at = now
            tenant.partition = first_wish(number, self._rules, now, request_id)
        if tenants:
            session.execute(insert(Tenant), [_columns(tenant) for tenant in tenants])
            wishes = [_columns(tenant.partition) for tenant in tenants]
            session.execute(insert(Partition), wishes)


def _draw_numbers(session: Session, count: int) -> list[int]:
    """The next numbers of tenants: known before, many rows go as one statement, and in order."""
    if session.get_bind().dialect.name == "postgresql":
        return list(session.scalars(NEXT_NUMBERS, {"count": count}))
    last: int = session.scalar(LAST_NUMBER) or 0
    return list(range(last + 1, last + 1 + count))


def _columns(row: Tenant | Partition | None) -> dict[str, Any]:
    columns = inspect(type(row)).columns.keys()
    return {name: value for name, value in vars(row).items() if name in columns}


def _checked(row: Row) -> Row:
    if isinstance(row, DomainError):
        return row
    try:
        if row.slug is not None:
            check_slug(row.slug)
        return Wanted(checked_name(row.name), row.slug)
    except DomainError as error:
        return error


def _with_slugs(session: Session, rows: Sequence[Row]) -> list[Result]:
    """The tenants to be stored, each with a slug of its own; of rows that give one twice, the
    first has it."""
    given = [row.slug for row in rows if isinstance(row, Wanted) and row.slug]
    taken = slugs_in_use(session, given)
    nameless = [row.name for row in rows if isinstance(row, Wanted) and not row.slug]
    made = iter(free_slugs(session, nameless, taken.union(given)))
    results: list[Result] = []
    for row in rows:
        if isinstance(row, DomainError):
            results.append(row)
        elif row.slug in taken:
            results.append(SlugTaken(row.slug))
        else:
            slug = row.slug or next(made)
            taken.add(slug)
            results.append(Tenant(name=row.name, slug=slug))
    return results


def _partitions(results: Sequence[Result]) -> list[Partition]:
    return [row.partition for row in results if isinstance(row, Tenant) and row.partition]
