"""State that processes share: leases, circuit breaker, pause, heartbeats."""

from datetime import datetime

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime, utc_now
from webapp.models.base import Model, Number, code
from webapp.models.causes import Cause


class Leadership(Model):
    """The lease of a leader, one row for each role, and when the last one was returned."""

    __tablename__ = "leadership"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    holder: Mapped[str | None] = mapped_column(String(100))
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Circuit(Model):
    """Whether attempts may call Milvus, for all workers together."""

    __tablename__ = "circuit"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    # Consecutive attempts without an answer, the tenant of the last one, and when an answer last
    # reset the count: attempts that began before that are not counted.
    failures: Mapped[int] = mapped_column(default=0)
    last_tenant_id: Mapped[int | None] = mapped_column(Number)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cause: Mapped[Cause | None] = mapped_column(code(Cause))
    message: Mapped[str | None] = mapped_column(Text)
    # While it is open: when the next probe may begin; a running probe moves it ahead.
    probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Pause(Model):
    """The last pause of provisioning; no row before the first."""

    __tablename__ = "pause"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    paused_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    paused_by: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str | None] = mapped_column(String(500))
    # None: provisioning is paused.
    resumed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Brake(Model):
    """The last brake of a collection: while it is on, nothing is made again or dropped there."""

    __tablename__ = "brake"

    collection: Mapped[str] = mapped_column(String(255), primary_key=True)
    # `partitions_gone`, `collection_replaced` or `collection_missing`.
    reason: Mapped[Cause] = mapped_column(code(Cause))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    # How many of the collection's proven partitions are missing.
    gone: Mapped[int]
    proven: Mapped[int]
    # The collection that answers instead: what a decision to go on accepts.
    found_name: Mapped[str | None] = mapped_column(String(255))
    found_id: Mapped[int | None] = mapped_column(BigInteger)
    found_created: Mapped[int | None] = mapped_column(BigInteger)
    # A human has seen it, and waits.
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(255))
    # None: the brake is on. Without a name, it ended because all were listed again.
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    released_by: Mapped[str | None] = mapped_column(String(255))


class Installation(Model):
    """This installation, one row: which database it was when it was last compared with Milvus.

    A database that was restored from a backup lacks later tenants: it draws no number, and nothing
    is made or dropped, before it was compared again.
    """

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # Made once; the names of the witnesses outside of the database.
    nonce: Mapped[str] = mapped_column(String(32))
    # Goes up while the database is in use: an older copy has a lower one.
    clock: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    # See `db.identity`; and when Milvus was first compared with this one.
    identity: Mapped[str] = mapped_column(String(255))
    compared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Not NULL: restored, and not compared yet.
    suspected_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The highest number that a witness knows: the counter is lifted above it.
    highest_known: Mapped[int | None] = mapped_column(Number)
    # When a restore was last recognized, and why. Nothing is dropped until it is acknowledged.
    restored_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(String(32))
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(255))


class Heartbeat(Model):
    """When a part without a page of its own last showed that it works."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


SWEEP = "sweep"
