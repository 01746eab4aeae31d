"""The processes of the product, each with its last sign of life."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime
from webapp.models.base import Model, code


class ProcessKind(StrEnum):
    WEB = "web"
    WORKER = "worker"
    RECONCILER = "reconciler"


class Process(Model):
    """A running process; it renews `seen_at`, and deletes its row when it stops."""

    __tablename__ = "process"

    # RQ's name of a worker, else a random one.
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[ProcessKind] = mapped_column(code(ProcessKind))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    release: Mapped[str] = mapped_column(String(64))
    # Setting name -> digest of its value, as JSON: those that all processes must share.
    settings: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # What it does, since when; None while it is idle.
    activity: Mapped[str | None] = mapped_column(String(200))
    active_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # What Redis answered this process: see `RedisState`.
    redis: Mapped[str] = mapped_column(String(16))
    redis_since: Mapped[datetime] = mapped_column(UtcDateTime)
