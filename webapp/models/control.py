"""What processes agree on: the leader's lease, the circuit breaker, the pause, signs of life."""

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime, utc_now
from webapp.models.base import Model, Number, code
from webapp.models.causes import Cause


class Leadership(Model):
    """Which process leads now, by a lease, and when the last one gave it back; a row each role."""

    __tablename__ = "leadership"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    holder: Mapped[str | None] = mapped_column(String(100))
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


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


class Heartbeat(Model):
    """When a part that has no page of its own last showed that it works."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


SWEEP = "sweep"
