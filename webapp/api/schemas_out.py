"""Answers of the API, with the contract's order of fields."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic.json_schema import SkipJsonSchema

from webapp.halts.restored_state import RestoredState
from webapp.models.audit import Via
from webapp.models.causes import Cause
from webapp.models.condition import Severity
from webapp.models.partition import Partition as PartitionRow
from webapp.models.process import ProcessKind
from webapp.models.states import (
    CanaryOutcome,
    DepartureOutcome,
    DriftKind,
    PartitionState,
    Provider,
    Result,
    TenantState,
)


class Outgoing(BaseModel):
    """An answer, read from the domain's objects."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, source: object) -> Self:
        return cls.model_validate(source)


class Partition(Outgoing):
    """Where a tenant's vectors go, and whether the partition is there."""

    collection: str
    name: str
    status: PartitionState = Field(validation_alias="state")
    provider: Provider | None
    result: Result | None
    attempts: int = Field(description="Tries within the present request.")
    cause: Cause | None
    error: str | None
    requested_at: datetime = Field(
        description="The first request of the present need. A need begins when a partition is "
        "first requested, when a ready one is found missing and made again, and when a deleted "
        "tenant is called back; it ends with the proof. A retry is no new need. While the status "
        "is ready, `ready_at` minus `requested_at` is the time to ready."
    )
    last_requested_at: datetime = Field(
        description="The last request of that need: a retry, another try by the sweep, a decision "
        "about rows; `requested_at` where there was one only."
    )
    waiting_since: datetime | None = Field(
        description="Since when the tenant lacks what it needs, whatever was tried since; null "
        "while the partition is ready, removing or removed."
    )
    ready_at: datetime | None = Field(
        description="When the last need ended; older than `requested_at` while the partition is "
        "made again."
    )
    verified_at: datetime | None
    remove_at: datetime | None = Field(
        description="When it is dropped, or the drop is tried again; until then a deleted "
        "tenant can be called back, unless a drop has begun."
    )
    rows_lost_at: datetime | None = Field(
        description="When Milvus was found to have lost the partition, which is made again, empty, "
        "or when it came back without rows: they may be lost. Null once an operator has "
        "acknowledged it."
    )

    @field_validator("last_requested_at", mode="before")
    @classmethod
    def _first_where_unknown(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        """A request that an instance of an earlier version made, until the next sweep."""
        return value or info.data.get("requested_at")


class Tenant(Outgoing):
    """A customer of the platform. The partition is null while none was ever asked for."""

    id: int
    name: str
    slug: str
    status: TenantState
    created_at: datetime
    partition: Partition | None

    @field_validator("partition", mode="before")
    @classmethod
    def _null_until_requested(cls, row: PartitionRow) -> PartitionRow | None:
        return row if row.is_requested else None


class Departure(Outgoing):
    """The record of a departure. `rows` null: not counted yet, or Milvus could not say.

    `dropped_at` is when Milvus acknowledged the drop, `confirmed_at` when its list proved it.
    """

    tenant_id: int
    name: str
    slug: str
    collection: str
    partition: str
    status: PartitionState
    requested_at: datetime
    requested_by: str
    request_id: str | None
    remove_at: datetime | None
    rows: int | None
    counted_at: datetime | None
    dropped_at: datetime | None
    confirmed_at: datetime | None
    outcome: DepartureOutcome | None = Field(
        description="dropped; absent: there was none; kept: it holds rows that are not known "
        "to be this tenant's; null while it is under way."
    )
    real_collection: str | None = Field(
        description="The collection that the proof is of, by its own name; `collection` may be "
        "an alias."
    )


class TenantPage(Outgoing):
    """Tenants by ascending number. Pass `next_cursor` on as `cursor`; null is the end."""

    items: list[Tenant]
    next_cursor: str | None


class Event(Outgoing):
    """One line of a tenant's timeline; `event` is the name of the log event."""

    event: str
    at: datetime
    attempt: int | None
    provider: Provider | None
    cause: Cause | None
    message: str | None
    duration_ms: int | None
    job_id: str | None
    actor: str | None
    count: int = Field(
        description="How often it happened: repeated attempts by the sweep with the same outcome "
        "are one event, whose other fields are those of the last time."
    )
    first_at: datetime | None = Field(description="The first time; null where it happened once.")


class PrunedEvents(Outgoing):
    """Old events of a tenant that were deleted: how many, the last one's time, and when."""

    count: int = Field(validation_alias=AliasChoices("count", "entries"))
    until: datetime
    pruned_at: datetime


class EventPage(Outgoing):
    """Events, newest first. Pass `next_cursor` on as `cursor`; null is the end."""

    items: list[Event]
    next_cursor: str | None
    pruned: PrunedEvents | None = Field(description="Null while no event was pruned.")


class Canary(Outgoing):
    """What the last check of the isolation between partitions showed."""

    at: datetime
    outcome: CanaryOutcome
    message: str


class Headroom(Outgoing):
    """How full a collection is, as it was last seen. Null is unknown, never zero."""

    collection: str
    used: int | None
    limit: int
    left: int | None
    observed_at: datetime | None
    answered_at: datetime | None
    cause: Cause | None
    error: str | None
    latency_ms: int | None
    canary: Canary | None = Field(description="Null while none was run.")


class Circuit(Outgoing):
    """While it is open, attempts fail at once instead of calling a Milvus that is silent."""

    is_open: bool
    since: datetime | None
    cause: Cause | None
    message: str | None


class Pause(Outgoing):
    """A pause of all provisioning: nothing begins that would change Milvus; sign-ups go on."""

    since: datetime
    by: str
    reason: str | None


class Pausing(Outgoing):
    """Whether provisioning is paused now. What was under way before ends by itself."""

    paused: Pause | None = Field(description="Null while provisioning goes on.")


class Summary(Outgoing):
    """Counts of tenants by the state of their partition and by cause of failure."""

    tenants: int = Field(description="Active tenants.")
    states: dict[PartitionState, int] = Field(description="All seven, zeros too.")
    causes: dict[Cause, int] = Field(description="Failed partitions only.")
    trying_again: int = Field(
        description="Of the pending and provisioning: those that failed since they began to wait, "
        "and are tried again. None of them is ready yet."
    )
    waiting_since: datetime | None = Field(
        description="Since when the active tenant waits that has waited longest, failed or not; "
        "null while none waits."
    )
    without_wish: int = Field(
        validation_alias=AliasChoices("without_wish", "not_requested"),
        description="Active tenants whose partition was not requested yet.",
    )
    rows_lost: int = Field(
        description="Active tenants whose partition was lost and made again, until acknowledged."
    )
    collections: list[Headroom]
    circuit: Circuit
    paused: Pause | None = Field(description="Null while provisioning goes on.")
    brakes: list["Brake"] = Field(description="What holds collections back; empty is well.")
    restored: "Restored | None" = Field(
        description="A restore of the database that still holds something back; else null."
    )

    @field_validator("restored", mode="before")
    @classmethod
    def _null_when_over(cls, state: RestoredState | None) -> RestoredState | None:
        return state if state and state.is_pending else None


class Restored(Outgoing):
    """The database was restored from a backup.

    Before Milvus was compared with it, no tenant is created (503 `database_restored`), and nothing
    is made or dropped. Until it is acknowledged, nothing is dropped.
    """

    at: datetime
    reason: str = Field(
        description="other_database; numbers_went_back, clock_went_back: a witness knows a higher "
        "one; other_installation: a new database beside the numbers of another."
    )
    is_compared: bool


class Brake(Outgoing):
    """What holds a collection back: nothing is made again or dropped in it.

    With `collection_replaced` no new tenant's partition is made either.
    """

    collection: str
    reason: Cause = Field(
        description="partitions_gone: many at once; collection_replaced: another collection "
        "answers under this name; collection_missing: there is none."
    )
    since: datetime
    gone: int = Field(description="How many proven partitions are missing.")
    proven: int = Field(description="Of how many.")
    acknowledged_at: datetime | None = Field(description="When an operator chose to wait.")
    acknowledged_by: str | None


class Brakes(Outgoing):
    """The brakes that are on, the oldest first."""

    items: list[Brake]


class Finding(Outgoing):
    """A partition that is not as wanted; the tenant is null where none has the number."""

    tenant_id: int | None
    collection: str
    partition: str
    rows: int | None = Field(description="Null: not counted, or Milvus could not tell.")
    note: str | None


class ComparedCollection(Outgoing):
    """A collection, and when its partitions were last compared with ours."""

    collection: str
    partitions: int | None
    compared_at: datetime | None


class Drift(Outgoing):
    """Where Milvus departs from what is wanted. Of each kind the first 1,000 are listed."""

    drift: bool = Field(description="Anything missing, orphan, resurrected or stuck?")
    counts: dict[DriftKind, int] = Field(description="Of each kind, exact.")
    missing: list[Finding] = Field(
        description="Proven before, gone there; being made again, or held back by a brake."
    )
    orphan: list[Finding] = Field(description="In Milvus, of no tenant; never dropped by itself.")
    resurrected: list[Finding] = Field(description="Empty, of a removed tenant; is dropped again.")
    stuck: list[Finding] = Field(description="Should have come to an end, and has not.")
    adopted: list[Finding] = Field(description="There before it was asked for; no drift.")
    acknowledged: list[Finding] = Field(description="An orphan that is kept by decision; no drift.")
    other: list[Finding] = Field(description="Of a name that no tenant's can have; no drift.")
    collections: list[ComparedCollection]


class AuditEntry(Outgoing):
    """A change of a tenant or of the target."""

    id: int
    at: datetime
    actor: str
    via: Via | None = Field(
        description="The interface; null for the product itself, and in entries of an older "
        "version."
    )
    address: str | None = Field(description="The client's, or `user@host` of a command.")
    action: str
    tenant_id: int | None
    target: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    request_id: str | None


class AuditPage(Outgoing):
    """Entries, newest first. Pass `next_cursor` on as `cursor`; null is the end.

    A page may hold fewer entries than asked for, or none, and not be the last: a bounded number
    is looked through at a time.
    """

    items: list[AuditEntry]
    next_cursor: str | None


class Condition(Outgoing):
    """Something that is not as it should be."""

    key: str = Field(description="Stable; it names the section of the runbook.")
    severity: Severity
    subject: str | None = Field(description="The collection or process that it concerns.")
    since: datetime | None
    count: int | None = Field(description="How many are concerned: tenants, partitions, processes.")
    sentence: str
    what_to_do: str
    passes_by_itself: bool = Field(description="Whether it ends without a human.")
    runbook: str = Field(description="The section of the project's documents.")


class Process(Outgoing):
    """A process of the installation, by its last sign of life."""

    kind: ProcessKind
    host: str
    pid: int
    release: str
    started_at: datetime
    seen_at: datetime
    is_silent: bool = Field(description="No sign of life lately: it is dead, or frozen.")
    activity: str | None
    active_since: datetime | None


class Health(Outgoing):
    """The conditions of the installation, the gravest first."""

    status: Literal["ok", "info", "warning", "danger"] = Field(description="The gravest severity.")
    at: datetime
    conditions: list[Condition]
    processes: list[Process]


class Problem(BaseModel):
    """An error (RFC 9457). `code` is stable; `errors` names the fields on 422."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: dict[str, list[str]] | SkipJsonSchema[None] = Field(
        None, exclude_if=lambda errors: errors is None
    )


class BulkCreated(Outgoing):
    """A row that became a tenant."""

    index: int = Field(description="Which row, counted from 0.")
    status: Literal[201]
    tenant: Tenant


class BulkRefused(Outgoing):
    """A row that was refused, with the problem that it alone would have got."""

    index: int = Field(description="Which row, counted from 0.")
    status: int
    error: Problem


class BulkResults(Outgoing):
    """A result for each row, in their order."""

    results: list[BulkCreated | BulkRefused]
