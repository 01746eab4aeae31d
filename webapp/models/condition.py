"""The conditions of the installation that are present, as they were last judged."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime
from webapp.models.base import Model, code


class Severity(StrEnum):
    """How grave a condition is. The values are part of the API."""

    INFO = "info"
    WARNING = "warning"
    DANGER = "danger"


class RaisedCondition(Model):
    """A condition that is present, and since when; its row goes when it has passed."""

    __tablename__ = "condition"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    # What it concerns, as a collection; empty: the installation.
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    severity: Mapped[Severity] = mapped_column(code(Severity))
    raised_at: Mapped[datetime] = mapped_column(UtcDateTime)
