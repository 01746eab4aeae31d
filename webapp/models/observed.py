"""The last observations of Milvus: collections, their sizes, drift."""

from datetime import date, datetime

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime, utc_now
from webapp.models.base import Model, code
from webapp.models.causes import Cause
from webapp.models.states import CanaryOutcome, DriftKind


class ObservedCollection(Model):
    """The sweep's last observation of a collection; pages show it with its age."""

    __tablename__ = "observed_collection"

    collection: Mapped[str] = mapped_column(String(255), primary_key=True)
    observed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cause: Mapped[Cause | None] = mapped_column(code(Cause))
    error: Mapped[str | None] = mapped_column(Text)
    partitions: Mapped[int | None]
    latency_ms: Mapped[int | None]
    # The name may be an alias: the collection's real name, Milvus's id of it (0 on Milvus Lite) and
    # Milvus's time of its creation (none on Milvus Lite), and the other collection that the alias
    # has been moved to.
    real_name: Mapped[str | None] = mapped_column(String(255))
    collection_id: Mapped[int | None] = mapped_column(BigInteger)
    collection_created: Mapped[int | None] = mapped_column(BigInteger)
    moved_to: Mapped[str | None] = mapped_column(String(255))
    # Its fields as JSON; see `partitions.collection_schema`.
    fields: Mapped[str | None] = mapped_column(Text)
    # When its partitions were last compared with the database.
    compared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # The isolation canary: when the next check is due, and the result of the last.
    canary_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    canary_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    canary_outcome: Mapped[CanaryOutcome | None] = mapped_column(code(CanaryOutcome))
    canary_message: Mapped[str | None] = mapped_column(Text)
    # The first of the checks in a row that could not be made; None after one that was.
    canary_not_run_since: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PartitionDrift(Model):
    """A partition that is not as wanted; the row goes when it is settled."""

    __tablename__ = "partition_drift"

    collection: Mapped[str] = mapped_column(String(255), primary_key=True)
    partition: Mapped[str] = mapped_column(String(255), primary_key=True)
    kind: Mapped[DriftKind] = mapped_column(code(DriftKind))
    # The number in its name; a tenant with it need not exist.
    number: Mapped[int | None] = mapped_column(BigInteger)
    rows: Mapped[int | None] = mapped_column(BigInteger)
    counted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    note: Mapped[str | None] = mapped_column(Text)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    # Whose decision it was to keep an orphan; None for all other kinds than acknowledged.
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(255))
    acknowledged_reason: Mapped[str | None] = mapped_column(String(500))


class CollectionSize(Model):
    """The number of partitions of a collection, last seen on a day."""

    __tablename__ = "collection_size"

    collection: Mapped[str] = mapped_column(String(255), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    partitions: Mapped[int]
    observed_at: Mapped[datetime] = mapped_column(UtcDateTime)
