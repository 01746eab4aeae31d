"""What was last observed of Milvus: collections, their sizes, drift."""

from datetime import date, datetime

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime, utc_now
from webapp.models.base import Model, code
from webapp.models.causes import Cause
from webapp.models.states import (
    CanaryOutcome,
    DriftKind,
)


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


class CollectionSize(Model):
    """How many partitions a collection had on a day, as last seen on it."""

    __tablename__ = "collection_size"

    collection: Mapped[str] = mapped_column(String(255), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    partitions: Mapped[int]
    observed_at: Mapped[datetime] = mapped_column(UtcDateTime)
