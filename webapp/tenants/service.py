"""Creates, renames, deletes, restores and retries one tenant."""

from collections.abc import Callable

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.audit import entries as audit_entries
from webapp.audit import log as audit
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.errors import InvalidField, NotFailed, SlugTaken, TenantDeleted, TenantNotFound
from webapp.idempotency import WITHOUT_KEY, Idempotency
from webapp.models.audit import Actor
from webapp.models.naming import MAX_TENANT_ID, clean_name, clean_slug
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant
from webapp.numbers.incarnation import Incarnations, move_clock
from webapp.partitions import events
from webapp.partitions.dispatcher import Dispatcher
from webapp.partitions.policy import Policy
from webapp.partitions.requests import first_request, request_again
from webapp.queue.job_queue import DispatchError, JobQueue
from webapp.tenants.deletion import delete_tenant, restore_tenant
from webapp.tenants.slugs import free_slug, random_slug
from webapp.texts import UnusableText

TRIES_FOR_A_SLUG = 5


class TenantService:
    """Each use case is one transaction; dispatches follow its commit."""

    def __init__(
        self,
        database: Database,
        job_queue: JobQueue,
        dispatcher: Dispatcher,
        policy: Policy,
        incarnations: Incarnations,
    ) -> None:
        self._database = database
        self._job_queue = job_queue
        self._dispatcher = dispatcher
        self._policy = policy
        self._incarnations = incarnations

    def create(
        self,
        name: str,
        slug: str | None = None,
        *,
        actor: Actor,
        idempotency: Idempotency = WITHOUT_KEY,
    ) -> Tenant:
        """Store a tenant with the request for its partition, then dispatch it.

        Succeeds once the database has both, also while Redis or Milvus is down. A slug left out
        is made from the name.

        Raises:
            InvalidField: the name or the slug is invalid.
            SlugTaken: the slug that was given is in use.
            DatabaseRestored: see `Incarnations`.
            Repeated: see `Idempotency`.
        """
        name = checked("name", clean_name, name)
        if slug is not None:
            checked("slug", clean_slug, slug)
        with self._incarnations.drawing():
            return self._insert(name, slug, actor, idempotency)

    def _insert(
        self, name: str, slug: str | None, actor: Actor, idempotency: Idempotency
    ) -> Tenant:
        for tries_left in reversed(range(TRIES_FOR_A_SLUG)):
            try:
                with self._database.transaction() as session:
                    idempotency.begin(session)
                    look = self._incarnations.require_known(session)
                    chosen = slug or (free_slug(session, name) if tries_left else random_slug(name))
                    tenant = Tenant(name=name, slug=chosen)
                    session.add(tenant)
                    session.flush()
                    partition = first_request(tenant.id, self._policy, utc_now(), actor.request_id)
                    tenant.partition = partition
                    session.flush()
                    audit.record(
                        session,
                        actor=actor,
                        action="tenant.create",
                        tenant_id=tenant.id,
                        after=audit_entries.named(tenant),
                    )
                    requested = events.REQUESTED
                    events.record_each(session, [partition], requested, actor=actor.name)
                    idempotency.finish(session, tenant)
                    self._incarnations.note_drawn(session, look, tenant.id)
                    self._dispatcher.dispatch_after_commit(session, [partition])
            except IntegrityError as error:
                # Otherwise an import took the drawn number; the next one is free.
                if (slug and "slug" in str(error.orig)) or not tries_left:
                    raise SlugTaken(chosen) from error
            else:
                return tenant
        raise AssertionError("the last try returns or raises")

    def rename(
        self, tenant_id: int, *, name: str | None = None, slug: str | None = None, actor: Actor
    ) -> Tenant:
        """Change the name, the slug or both. The partition's name never changes.

        Raises:
            InvalidField, SlugTaken: as in `create`.
            TenantNotFound, TenantDeleted: there is no such tenant now.
        """
        if slug is not None:
            checked("slug", clean_slug, slug)
        try:
            with self._database.transaction() as session:
                tenant = _living(session, tenant_id)
                before = audit_entries.named(tenant)
                tenant.name = checked("name", clean_name, name) if name is not None else tenant.name
                tenant.slug = slug or tenant.slug
                tenant.updated_at = utc_now()
                session.flush()
                audit.record(
                    session,
                    actor=actor,
                    action="tenant.rename",
                    tenant_id=tenant_id,
                    before=before,
                    after=audit_entries.named(tenant),
                )
        except IntegrityError as error:
            raise SlugTaken(slug or "") from error
        return tenant

    def delete(self, tenant_id: int, *, actor: Actor) -> Tenant:
        """Delete the tenant; its partition is removed after the grace time. Idempotent.

        The row, and with it the number, stays for ever.

        Raises:
            TenantNotFound: there is no such tenant.
        """
        with self._database.transaction() as session:
            tenant = _get_locked(session, tenant_id)
            if tenant.deleted_at is not None:
                return tenant
            delete_tenant(session, tenant, self._policy, actor=actor)
            session.refresh(tenant)
        events.log.info("tenant.deleted", tenant_id=tenant_id, actor=actor.name)
        self._forget_failed_job(tenant)
        return tenant

    def restore(
        self,
        tenant_id: int,
        *,
        actor: Actor,
        idempotency: Idempotency = WITHOUT_KEY,
    ) -> Tenant:
        """Restore a deleted tenant with a new request, until the drop begins.

        A slug that another tenant has now gets a number.

        Raises:
            TenantNotFound: there is no such tenant.
            NotRemoving: it is not deleted, or it is too late.
            Repeated: see `Idempotency`.
        """
        for tries_left in reversed(range(TRIES_FOR_A_SLUG)):
            try:
                with self._database.transaction() as session:
                    idempotency.begin(session)
                    # In an older copy the tenant is still to be dropped.
                    move_clock(session)
                    tenant = _get_locked(session, tenant_id)
                    row = restore_tenant(session, tenant, self._policy, actor=actor)
                    session.flush()
                    session.refresh(tenant)
                    idempotency.finish(session, tenant)
                    if row.state == PartitionState.PENDING:
                        self._dispatcher.dispatch_after_commit(session, [row])
                break
            except IntegrityError as error:
                # Another tenant took the slug that was free a moment ago.
                if not tries_left:
                    raise SlugTaken(tenant.slug) from error
        return tenant

    def _forget_failed_job(self, tenant: Tenant) -> None:
        if tenant.partition.claimed_job_id:
            try:
                self._job_queue.forget_failed([tenant.partition.claimed_job_id])
            except DispatchError as error:
                events.log.warning(events.DISPATCH_FAILED, tenant_id=tenant.id, message=str(error))

    def retry(
        self,
        tenant_id: int,
        *,
        actor: Actor,
        idempotency: Idempotency = WITHOUT_KEY,
    ) -> Tenant:
        """Make a new request, with all its attempts, for a tenant whose partition failed.

        Raises:
            TenantNotFound: there is no such tenant.
            NotFailed: its partition is in another state.
            Repeated: see `Idempotency`.
        """
        with self._database.transaction() as session:
            idempotency.begin(session)
            tenant = _get_locked(session, tenant_id)
            before = audit_entries.failure(tenant.partition)
            mine = Partition.tenant_id == tenant_id
            attempts, now = self._policy.attempts, utc_now()
            rows = request_again(session, mine, attempts, now, actor.request_id)
            events.record_each(session, rows, events.RETRIED, actor=actor.name)
            session.refresh(tenant)
            if not rows:
                raise NotFailed(tenant_id, tenant.partition.state or "not asked for")
            audit.record(
                session,
                actor=actor,
                action="tenant.retry",
                tenant_id=tenant_id,
                before=before,
                after={"status": PartitionState.PENDING},
            )
            idempotency.finish(session, tenant)
            self._dispatcher.dispatch_after_commit(session, rows)
        return tenant


def _get_locked(session: Session, tenant_id: int) -> Tenant:
    if not 1 <= tenant_id <= MAX_TENANT_ID:
        raise TenantNotFound(tenant_id)
    # FOR NO KEY UPDATE: a worker that holds the partition's row writes an event, whose foreign key
    # locks the tenant's row FOR KEY SHARE. With FOR UPDATE the two would deadlock.
    lock = {"of": Tenant, "key_share": True}
    tenant = session.get(Tenant, tenant_id, with_for_update=lock)
    if tenant is None:
        raise TenantNotFound(tenant_id)
    return tenant


def _living(session: Session, tenant_id: int) -> Tenant:
    tenant = _get_locked(session, tenant_id)
    if tenant.deleted_at is not None:
        raise TenantDeleted(tenant_id)
    return tenant


def checked(field: str, clean: Callable[[str], str], value: str) -> str:
    """The value of the field as it is stored; raises InvalidField where `clean` refuses it."""
    try:
        return clean(value)
    except UnusableText as error:
        raise InvalidField(field, error.template, **error.values) from error
