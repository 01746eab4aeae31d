"""Adoption of an orphan: a tenant with its number, to whom the partition and its rows belong."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.audit import entries as audit_entries
from webapp.audit import log as audit
from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.errors import NotAdoptable, OrphanBusy, SlugTaken
from webapp.idempotency import WITHOUT_KEY, Idempotency
from webapp.models.audit import Actor
from webapp.models.naming import clean_name, clean_slug, number_in
from webapp.models.observed import ObservedCollection, PartitionDrift
from webapp.models.states import IfExists
from webapp.models.tenant import Tenant
from webapp.numbers.counter import HIGHEST, lift
from webapp.partitions import events
from webapp.partitions.dispatcher import Dispatcher
from webapp.partitions.orphans import MOVED, audited, find_orphan, refuse_while_dropped
from webapp.partitions.policy import Policy
from webapp.partitions.requests import first_request
from webapp.tenants.service import TRIES_FOR_A_SLUG, checked
from webapp.tenants.slugs import free_slug, random_slug
from webapp.texts import N_

# Why an orphan cannot be adopted.
NO_NUMBER = N_("no tenant can have this name or number")
NUMBER_USED = N_("a tenant has its number, or a deleted one had it")


class Adoption:
    """Makes tenants of orphans."""

    def __init__(self, database: Database, dispatcher: Dispatcher, policy: Policy) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._policy = policy

    def adopt(
        self,
        collection: str,
        partition: str,
        name: str,
        slug: str | None = None,
        *,
        actor: Actor,
        idempotency: Idempotency = WITHOUT_KEY,
    ) -> Tenant:
        """Store a tenant with the orphan's number, and the request that adopts its rows.

        A worker proves the partition and counts the rows. Later tenants get higher numbers.

        Raises:
            InvalidField, SlugTaken: as `TenantService.create`.
            OrphanNotFound, OrphanBusy, NotAdoptable: see there.
            Repeated: see `Idempotency`.
        """
        name = checked("name", clean_name, name)
        if slug is not None:
            checked("slug", clean_slug, slug)
        for tries_left in reversed(range(TRIES_FOR_A_SLUG)):
            try:
                with self._database.transaction() as session:
                    idempotency.begin(session)
                    orphan = find_orphan(session, collection, partition)
                    chosen = slug or (free_slug(session, name) if tries_left else random_slug(name))
                    tenant = self._insert(session, orphan, name, chosen, actor)
                    idempotency.finish(session, tenant)
                    self._dispatcher.dispatch_after_commit(session, [tenant.partition])
            except IntegrityError as error:
                # Otherwise the number was taken just now, which the next try sees.
                if (slug and "slug" in str(error.orig)) or not tries_left:
                    raise SlugTaken(chosen) from error
            else:
                return tenant
        raise AssertionError("the last try returns or raises")

    def _insert(
        self, session: UnitOfWork, orphan: PartitionDrift, name: str, slug: str, actor: Actor
    ) -> Tenant:
        """The tenant with the orphan's number, and its request; the finding goes."""
        number = _number(session, orphan)
        lift(session, number)
        tenant = Tenant(id=number, name=name, slug=slug)
        tenant.partition = first_request(number, self._policy, utc_now(), actor.request_id)
        tenant.partition.collection = orphan.collection
        tenant.partition.if_exists = IfExists.ADOPT
        session.add(tenant)
        session.flush()
        refuse_while_dropped(session, [orphan.partition], OrphanBusy)
        _record(session, tenant, orphan, actor)
        session.delete(orphan)
        return tenant


def why_not_adoptable(session: Session, orphan: PartitionDrift) -> str | None:
    """Why no tenant can be made of it; None where one can."""
    number = number_in(orphan.partition)
    if number is None or number > HIGHEST:
        return NO_NUMBER
    if session.get(Tenant, number) is not None:
        return NUMBER_USED
    seen = session.get(ObservedCollection, orphan.collection)
    return MOVED if seen is not None and seen.moved_to else None


def _number(session: Session, orphan: PartitionDrift) -> int:
    number, reason = number_in(orphan.partition), why_not_adoptable(session, orphan)
    if reason or number is None:
        raise NotAdoptable(orphan.partition, reason or NO_NUMBER)
    return number


def _record(session: UnitOfWork, tenant: Tenant, orphan: PartitionDrift, actor: Actor) -> None:
    message = f"{events.row_count(orphan.rows)} when it was last counted"
    row = [tenant.partition]
    events.record_each(session, row, events.ORPHAN_ADOPTED, actor=actor.name, message=message)
    audit.record(
        session,
        actor=actor,
        action="orphan.adopt",
        tenant_id=tenant.id,
        before=audited(orphan),
        after=audit_entries.named(tenant),
    )
