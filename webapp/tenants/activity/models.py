"""The tables of what happened over time."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.base import Model
from webapp.database import UtcDateTime
from webapp.tenants.models import code


class Resolution(StrEnum):
    """The width of a bucket of time."""

    MINUTE = "minute"
    QUARTER = "quarter"
    HOUR = "hour"


class Activity(Model):
    """What happened in one bucket of time: counts, and how long tenants took to be ready."""

    __tablename__ = "activity"

    resolution: Mapped[Resolution] = mapped_column(code(Resolution), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    signups: Mapped[int] = mapped_column(default=0)
    ready: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    # A histogram of the times from request to ready, as JSON: bin -> count.
    durations: Mapped[str] = mapped_column(Text, default="{}")


class CollectionSize(Model):
    """How many partitions a collection had on a day, as last seen on it."""

    __tablename__ = "collection_size"

    collection: Mapped[str] = mapped_column(String(255), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    partitions: Mapped[int]
    observed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Heartbeat(Model):
    """When a part that has no page of its own last showed that it works."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
