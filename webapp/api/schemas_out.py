"""Answers of the API, with the contract's order of fields."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator
from pydantic.json_schema import SkipJsonSchema

from webapp.models.audit import Via
from webapp.models.causes import Cause
from webapp.models.partition import Partition as PartitionRow
from webapp.models.states import (
    CanaryOutcome,
    DepartureOutcome,
    DriftKind,
    PartitionState,
    Provider,
    Result,
    TenantState,
)
from webapp.partitions.restored_state import RestoredState


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
    requested_at: datetime
    ready_at: datetime | None
    verified_at: datetime | None
    remove_at: datetime | None = Field(
        description="When it is dropped, or the drop is tried again; until then a deleted "
        "tenant can be called back, unless a drop has begun."
    )
    rows_lost_at: datetime | None = Field(
        description="When Milvus was found to have lost the partition, which was or is then made "
        "again, empty: its rows may be lost. Null once an operator has acknowledged it."
    )


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


class EventPage(Outgoing):
    """Events, newest first. Pass `next_cursor` on as `cursor`; null is the end."""

    items: list[Event]
    next_cursor: str | None


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
        description="other_database; numbers_went_back: a witness knows higher ones; "
        "other_installation: a new database beside the numbers of another."
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
    counts: dict[DriftKind, int] = Field(description="All five, exact.")
    missing: list[Finding] = Field(
        description="Proven before, gone there; being made again, or held back by a brake."
    )
    orphan: list[Finding] = Field(description="In Milvus, of no tenant; never dropped by itself.")
    resurrected: list[Finding] = Field(description="Empty, of a removed tenant; is dropped again.")
    stuck: list[Finding] = Field(description="Should have come to an end, and has not.")
    adopted: list[Finding] = Field(description="There before it was asked for; no drift.")
    collections: list[ComparedCollection]


class AuditEntry(Outgoing):
    """A change of a tenant or of the target."""

    id: int
    at: datetime
    actor: str
    via: Via | None = Field(description="The interface; null for entries of an older version.")
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
