"""Creates many tenants in one transaction, with a result for each row."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import TextClause
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.audit import entries
from webapp.audit import log as audit
from webapp.db.session import Database
from webapp.errors import DomainError, SlugTaken
from webapp.idempotency import WITHOUT_KEY, Idempotency
from webapp.models.audit import Actor
from webapp.models.naming import clean_name, clean_slug
from webapp.models.tenant import Tenant
from webapp.numbers.incarnation import Incarnations
from webapp.partitions.dispatcher import Dispatcher
from webapp.partitions.policy import Policy
from webapp.tenants.inserts import (
    NOBODY_ELSE_WRITES,
    ONE_WRITES,
    hold_back_others,
    insert_with_requests,
)
from webapp.tenants.service import checked
from webapp.tenants.slugs import free_slugs, slugs_in_use


@dataclass(frozen=True)
class Wanted:
    """A tenant to be created. A slug left out is made from the name."""

    name: str
    slug: str | None = None


Row = Wanted | DomainError
Result = Tenant | DomainError


class Bulk:
    """Creates many tenants with the requests for their partitions."""

    def __init__(
        self,
        database: Database,
        dispatcher: Dispatcher,
        policy: Policy,
        incarnations: Incarnations,
    ) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._policy = policy
        self._incarnations = incarnations

    def create(
        self,
        rows: Sequence[Row],
        *,
        actor: Actor,
        idempotency: Idempotency = WITHOUT_KEY,
    ) -> list[Result]:
        """Create the valid ones, then dispatch; a result for each row, in their order.

        A refused row, or one that is given as its error, does not affect the others. Costs a few
        statements in all.

        Raises:
            DatabaseRestored: see `Incarnations`; no tenant is created.
            Repeated: see `Idempotency`.
        """
        checked = [_checked(row) for row in rows]
        with self._incarnations.drawing():
            try:
                return self._insert(checked, actor, idempotency, ONE_WRITES)
            except IntegrityError:
                # A sign-up took one of the slugs during the insert; now none can.
                return self._insert(checked, actor, idempotency, NOBODY_ELSE_WRITES)

    def _insert(
        self,
        rows: Sequence[Row],
        actor: Actor,
        idempotency: Idempotency,
        lock: TextClause,
    ) -> list[Result]:
        with self._database.transaction() as session:
            idempotency.begin(session)
            look = self._incarnations.require_known(session)
            hold_back_others(session, lock)
            results = _with_slugs(session, rows)
            tenants = [row for row in results if isinstance(row, Tenant)]
            insert_with_requests(session, tenants, self._policy, actor)
            if tenants:
                numbers = [tenant.id for tenant in tenants]
                self._incarnations.note_drawn(session, look, max(numbers))
                after = {**entries.many(numbers), "refused": len(results) - len(tenants)}
                audit.record(session, actor=actor, action="tenants.create_many", after=after)
            idempotency.finish(session, results)
            self._dispatcher.dispatch_after_commit(session, [each.partition for each in tenants])
        return results


def _checked(row: Row) -> Row:
    if isinstance(row, DomainError):
        return row
    try:
        if row.slug is not None:
            checked("slug", clean_slug, row.slug)
        return Wanted(checked("name", clean_name, row.name), row.slug)
    except DomainError as error:
        return error


def _with_slugs(session: Session, rows: Sequence[Row]) -> list[Result]:
    """The tenants with their slugs; of rows with the same slug, the first has it."""
    given = [row.slug for row in rows if isinstance(row, Wanted) and row.slug]
    taken = slugs_in_use(session, given)
    nameless = [row.name for row in rows if isinstance(row, Wanted) and not row.slug]
    free = iter(free_slugs(session, nameless, taken.union(given)))
    results: list[Result] = []
    for row in rows:
        if isinstance(row, DomainError):
            results.append(row)
        elif row.slug in taken:
            results.append(SlugTaken(row.slug))
        else:
            slug = row.slug or next(free)
            taken.add(slug)
            results.append(Tenant(name=row.name, slug=slug))
    return results
