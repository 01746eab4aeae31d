"""State that processes share: leases, circuit breaker, pause, heartbeats."""

from datetime import datetime

from sqlalchemy import String, Text
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


class Heartbeat(Model):
    """When a part without a page of its own last showed that it works."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


SWEEP = "sweep"
