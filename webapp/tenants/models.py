"""The tables of the domain."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Enum, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from webapp.base import Model
from webapp.database import UtcDateTime, utc_now
from webapp.tenants.causes import Cause
from webapp.tenants.folding import folded
from webapp.tenants.states import (
    CanaryOutcome,
    DriftKind,
    IfExists,
    PartitionState,
    Provider,
    Result,
    TenantState,
)

# SQLite numbers rows without gaps being reused only for INTEGER PRIMARY KEY AUTOINCREMENT.
Number = BigInteger().with_variant(Integer, "sqlite")


def code(kind: type[StrEnum]) -> Enum:
    """A column of the enum's values as text: a new value needs no change of the table."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


def _name(context: DefaultExecutionContext) -> str:
    """The name in the row that is being inserted."""
    name: str = context.get_current_parameters()["name"]  # type: ignore[no-untyped-call]
    return name


class Tenant(Model):
    """A customer. Rows stay after deletion, so that no number is ever used twice."""

    __tablename__ = "tenant"
    __table_args__ = (
        Index(
            "uq_tenant_slug_in_use",
            "slug",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_tenant_living",
            "name",
            "id",
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_tenant_deleted",
            "id",
            sqlite_where=text("deleted_at IS NOT NULL"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        Index("ix_tenant_wished", "wished", "id", "deleted_at"),
        Index(
            "ix_tenant_unfolded",
            "id",
            sqlite_where=text("folded_from IS NOT name"),
            postgresql_where=text("folded_from IS DISTINCT FROM name"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    slug: Mapped[str] = mapped_column(String(63))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Whether there was ever a wish for its partition; a trigger sees to it that this is so.
    wished: Mapped[bool] = mapped_column(default=False, server_default="0")
    # The name as searches compare it, and the name that was folded: where that is not the name,
    # another program wrote it, and the reconciler folds it.
    folded_name: Mapped[str | None] = mapped_column(
        Text, default=lambda context: folded(_name(context)), deferred=True
    )
    folded_from: Mapped[str | None] = mapped_column(String(255), default=_name, deferred=True)

    partition: Mapped["Partition | None"] = relationship(
        back_populates="tenant", lazy="joined", uselist=False
    )

    @validates("name")
    def _fold(self, _attribute: str, name: str) -> str:
        self.folded_name, self.folded_from = folded(name), name
        return name

    @property
    def status(self) -> TenantState:
        """Whether the tenant is a customer now."""
        return TenantState.DELETED if self.deleted_at else TenantState.ACTIVE

    def __str__(self) -> str:
        return self.name


class Partition(Model):
    """The wish for one tenant's partition, and what is known of it. The truth of the product."""

    __tablename__ = "partition"
    __table_args__ = (
        Index("ix_partition_state_since", "state", "state_since"),
        # Covers the families of failures: each cause with its first, its last, an example.
        Index("ix_partition_state_cause", "state", "cause", "state_since", "tenant_id"),
        Index("ix_partition_ring_at", "ring_at"),
        Index("ix_partition_state_lease_until", "state", "lease_until"),
        Index("ix_partition_state_dispatched_at", "state", "dispatched_at"),
        Index("ix_partition_state_reopen_at", "state", "reopen_at"),
        Index("ix_partition_state_remove_at", "state", "remove_at"),
        Index("ix_partition_collection_state_tenant_id", "collection", "state", "tenant_id"),
        Index("ix_partition_operation_id_state", "operation_id", "state"),
        Index(
            "ix_partition_adopted",
            "state",
            "seen_absent_at",
            "tenant_id",
            sqlite_where=text("state = 'ready' AND seen_absent_at IS NULL"),
            postgresql_where=text("state = 'ready' AND seen_absent_at IS NULL"),
        ),
    )

    tenant_id: Mapped[int] = mapped_column(
        Number, ForeignKey("tenant.id"), primary_key=True, autoincrement=False
    )
    collection: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))

    state: Mapped[PartitionState] = mapped_column(
        code(PartitionState), default=PartitionState.PENDING
    )
    state_since: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    # A wish. Rings of an older generation are harmless.
    generation: Mapped[int] = mapped_column(default=1)
    attempts: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int]
    # Counts every claim and is never set back: whoever holds an older one has lost the row.
    fence: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    claimed_job_id: Mapped[str | None] = mapped_column(String(100))
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # The doorbell. `ring_at` is when the due loop rings, unless somebody else did before.
    ring_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    dispatch: Mapped[int] = mapped_column(default=0)
    dispatched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    job_id: Mapped[str | None] = mapped_column(String(100))
    request_id: Mapped[str | None] = mapped_column(String(64))

    # What the last attempt found.
    result: Mapped[Result | None] = mapped_column(code(Result))
    provider: Mapped[Provider | None] = mapped_column(code(Provider))
    cause: Mapped[Cause | None] = mapped_column(code(Cause))
    error: Mapped[str | None] = mapped_column(Text)
    seen_absent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ready_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # A partition that holds rows, and that no attempt of ours ever saw absent.
    if_exists: Mapped[IfExists] = mapped_column(
        code(IfExists), default=IfExists.REFUSE, server_default=IfExists.REFUSE.value
    )
    adopted_rows: Mapped[int | None] = mapped_column(BigInteger)

    # Departure: nothing is dropped before `remove_at`, which moves on with each drop that
    # failed. Once a drop has begun the tenant cannot be called back.
    remove_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    drop_began_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # The operation on many tenants that last turned this row, if any did.
    operation_id: Mapped[int | None] = mapped_column(Number)

    # How often the sweep has given this tenant another try, and when it may do so next.
    reopens: Mapped[int] = mapped_column(default=0)
    reopen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    tenant: Mapped[Tenant] = relationship(back_populates="partition")


class PartitionEvent(Model):
    """One line of a tenant's timeline. Rows are only ever added."""

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


class ObservedCollection(Model):
    """What the sweep last saw of a collection in Milvus; pages show it with its age."""

    __tablename__ = "observed_collection"

    collection: Mapped[str] = mapped_column(String(255), primary_key=True)
    observed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cause: Mapped[Cause | None] = mapped_column(code(Cause))
    error: Mapped[str | None] = mapped_column(Text)
    partitions: Mapped[int | None]
    latency_ms: Mapped[int | None]
    # Which collection the name stands for, which may be an alias: its own name and Milvus's
    # number (Milvus Lite says 0). While it stands for another one, that one's name is in moved_to.
    real_name: Mapped[str | None] = mapped_column(String(255))
    collection_id: Mapped[int | None] = mapped_column(BigInteger)
    moved_to: Mapped[str | None] = mapped_column(String(255))
    # Its fields as JSON, for examples that fit it; see `schemas`.
    fields: Mapped[str | None] = mapped_column(Text)
    # When its list was last compared with ours, row by row.
    compared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # The isolation canary: when the next one is due, and what the last one showed.
    canary_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    canary_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    canary_outcome: Mapped[CanaryOutcome | None] = mapped_column(code(CanaryOutcome))
    canary_message: Mapped[str | None] = mapped_column(Text)


class SweepTurn(Model):
    """Who sweeps now, and when the last sweep ended: one at a time over all replicas."""

    __tablename__ = "sweep_turn"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    holder: Mapped[str | None] = mapped_column(String(100))
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PartitionDrift(Model):
    """A partition that is in Milvus though nobody wants it there; gone when it is settled."""

    __tablename__ = "partition_drift"

    collection: Mapped[str] = mapped_column(String(255), primary_key=True)
    partition: Mapped[str] = mapped_column(String(255), primary_key=True)
    kind: Mapped[DriftKind] = mapped_column(code(DriftKind))
    # The number in its name, which may be nobody's.
    number: Mapped[int | None] = mapped_column(BigInteger)
    rows: Mapped[int | None] = mapped_column(BigInteger)
    note: Mapped[str | None] = mapped_column(Text)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Circuit(Model):
    """Whether attempts may call Milvus, for all workers together."""

    __tablename__ = "circuit"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    # Attempts in a row that got no answer, whose was the last of them, and when an answer last
    # set the count back: an attempt that began before then is not counted.
    failures: Mapped[int] = mapped_column(default=0)
    last_tenant_id: Mapped[int | None] = mapped_column(Number)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cause: Mapped[Cause | None] = mapped_column(code(Cause))
    message: Mapped[str | None] = mapped_column(Text)
    # While it is open: when the next probe may begin, which a probe under way moves ahead.
    probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Pause(Model):
    """The last pause of provisioning: by whom and why, and when it ended; no row before it."""

    __tablename__ = "pause"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    paused_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    paused_by: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str | None] = mapped_column(String(500))
    # None: it lasts.
    resumed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
