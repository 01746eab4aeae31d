"""The table of counts over time."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime
from webapp.models.base import Model, code


class Resolution(StrEnum):
    MINUTE = "minute"
    QUARTER = "quarter"
    HOUR = "hour"


class Activity(Model):
    """Counts of one bucket of time, and the times from request to ready."""

    __tablename__ = "activity"

    resolution: Mapped[Resolution] = mapped_column(code(Resolution), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    signups: Mapped[int] = mapped_column(default=0)
    ready: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    # A histogram of these times, as JSON: bin -> count.
    durations: Mapped[str] = mapped_column(Text, default="{}")
