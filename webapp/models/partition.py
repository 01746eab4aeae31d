"""A tenant's partition as it is requested and known, its events, its departure."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.db.types import UtcDateTime, utc_now
from webapp.models.base import Model, Number, code, partial_index
from webapp.models.causes import Cause
from webapp.models.states import DepartureOutcome, IfExists, PartitionState, Provider, Result
from webapp.models.tenant import Tenant


class Partition(Model):
    """The request for one tenant's partition, and its known state: the source of truth."""

    __tablename__ = "partition"
    __table_args__ = (
        Index("ix_partition_state_since", "state", "state_since"),
        # Covers the counts by cause: the longest wait, the last failure, an example.
        Index(
            "ix_partition_state_cause",
            *("state", "cause", "waiting_since", "tenant_id", "state_since"),
        ),
        # The lists by waiting time; it covers the counts of stuck ones and of those tried again.
        partial_index(
            "ix_partition_waiting",
            *("state", "waiting_since", "tenant_id", "last_requested_at", "requested_at"),
            where="waiting_since IS NOT NULL",
        ),
        Index("ix_partition_dispatch_after", "dispatch_after"),
        Index("ix_partition_state_lease_until", "state", "lease_until"),
        Index("ix_partition_state_dispatched_at", "state", "dispatched_at"),
        Index("ix_partition_state_reopen_at", "state", "reopen_at"),
        Index("ix_partition_state_remove_at", "state", "remove_at"),
        Index("ix_partition_collection_state_tenant_id", "collection", "state", "tenant_id"),
        Index("ix_partition_operation_id_state", "operation_id", "state"),
        partial_index("ix_partition_not_requested", "tenant_id", where="state IS NULL"),
        partial_index(
            "ix_partition_adopted",
            *("state", "seen_absent_at", "tenant_id"),
            where="state = 'ready' AND seen_absent_at IS NULL",
        ),
        partial_index(
            "ix_partition_rows_lost",
            *("tenant_id", "rows_lost_at", "state", "collection"),
            where="rows_lost_at IS NOT NULL",
        ),
    )

    tenant_id: Mapped[int] = mapped_column(
        Number, ForeignKey("tenant.id"), primary_key=True, autoincrement=False
    )
    name: Mapped[str] = mapped_column(String(255))
    # NULL until a partition is requested: see `is_requested`.
    collection: Mapped[str] = mapped_column(String(255), nullable=True)
    state: Mapped[PartitionState] = mapped_column(code(PartitionState), nullable=True)
    state_since: Mapped[datetime] = mapped_column(UtcDateTime, nullable=True)

    # A need begins with the first request, when a ready partition is found missing, and with the
    # restoration of a deleted tenant; it ends with the proof. `requested_at` is its first request,
    # `last_requested_at` its last one: a retry, the sweep's own next try, a decision about rows.
    # `waiting_since` is its beginning, NULL while the tenant lacks nothing. An instance of an
    # earlier version leaves the last two NULL; the sweep completes them.
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=True)
    last_requested_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=True)
    waiting_since: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # Each request raises the generation. A job of an older generation changes nothing.
    generation: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int]
    # Counts every claim and is never reset: a worker with an older one has lost the row.
    fence: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    claimed_job_id: Mapped[str | None] = mapped_column(String(100))
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # From `dispatch_after` on, the due loop dispatches the request; NULL: it was dispatched.
    dispatch_after: Mapped[datetime | None] = mapped_column(UtcDateTime)
    dispatch: Mapped[int] = mapped_column(default=0)
    dispatched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    job_id: Mapped[str | None] = mapped_column(String(100))
    request_id: Mapped[str | None] = mapped_column(String(64))

    # The result of the last attempt.
    result: Mapped[Result | None] = mapped_column(code(Result))
    provider: Mapped[Provider | None] = mapped_column(code(Provider))
    cause: Mapped[Cause | None] = mapped_column(code(Cause))
    error: Mapped[str | None] = mapped_column(Text)
    seen_absent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The proof that ended the last need; it stays while the partition is made again.
    ready_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When a proven partition was found gone and was to be made again, empty: its rows may be lost.
    # NULL once an operator has acknowledged it.
    rows_lost_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # What to do with pre-existing rows: `seen_absent_at` is NULL and the partition has rows.
    if_exists: Mapped[IfExists] = mapped_column(
        code(IfExists), default=IfExists.REFUSE, server_default=IfExists.REFUSE.value
    )
    adopted_rows: Mapped[int | None] = mapped_column(BigInteger)

    # Removal: nothing is dropped before `remove_at`, which a failed drop postpones. Once a drop has
    # begun, the tenant cannot be called back.
    remove_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    drop_began_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # The operation on many tenants that last changed this row.
    operation_id: Mapped[int | None] = mapped_column(Number)

    # How often the sweep has reopened this request, and when it may do so next.
    reopens: Mapped[int] = mapped_column(default=0)
    reopen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    tenant: Mapped[Tenant] = relationship(back_populates="partition")

    @property
    def is_requested(self) -> bool:
        """False in the row of an imported tenant whose partition was not requested yet."""
        return self.state is not None

    @property
    def lasts_since(self) -> datetime:
        """Since when the tenant waits, or else since when the state lasts."""
        return self.waiting_since or self.state_since

    @property
    def owns_rows(self) -> bool:
        """True where rows in the partition are known to be this tenant's own."""
        return self.seen_absent_at is not None or self.ready_at is not None

    @property
    def is_ours(self) -> bool:
        """True where an attempt of this request made the partition that exists now."""
        return self.seen_absent_at is not None and self.ready_at is None


class PartitionEvent(Model):
    """One entry of a tenant's timeline.

    Entries are added; repeated attempts of the sweep are merged, and old entries are pruned.
    """

    __tablename__ = "partition_event"
    __table_args__ = (
        Index("ix_partition_event_tenant_id_id", "tenant_id", "id"),
        Index("ix_partition_event_at", "at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(Number, ForeignKey("tenant.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    event: Mapped[str] = mapped_column(String(64))
    generation: Mapped[int | None]
    attempt: Mapped[int | None]
    provider: Mapped[Provider | None] = mapped_column(code(Provider))
    cause: Mapped[Cause | None] = mapped_column(code(Cause))
    message: Mapped[str | None] = mapped_column(Text)
    duration_ms: Mapped[int | None]
    job_id: Mapped[str | None] = mapped_column(String(100))
    actor: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))
    # How often it happened, and the first time where that is not `at`; see `partitions.repeats`.
    count: Mapped[int] = mapped_column(server_default="1")
    first_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Departure(Model):
    """The record of a tenant's deletion: its request, its rows, and the proof of the drop."""

    __tablename__ = "departure"

    tenant_id: Mapped[int] = mapped_column(
        Number, ForeignKey("tenant.id"), primary_key=True, autoincrement=False
    )
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    requested_by: Mapped[str] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))
    # None: Milvus could not say.
    rows: Mapped[int | None] = mapped_column(BigInteger)
    counted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    dropped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[DepartureOutcome | None] = mapped_column(code(DepartureOutcome))
    # The real name of the collection in the proof; the partition's may be an alias.
    real_collection: Mapped[str | None] = mapped_column(String(255))
