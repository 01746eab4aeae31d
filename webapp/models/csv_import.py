"""The tables of uploaded files and their rows."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime, utc_now
from webapp.models.audit import Authored
from webapp.models.base import Model, Number, code


class UploadState(StrEnum):
    """The progress of an uploaded file: checked, being created row by row, or over."""

    CHECKED = "checked"
    RUNNING = "running"
    FINISHED = "finished"
    DISCARDED = "discarded"


class RowOutcome(StrEnum):
    """The result of a row, as the result file has it. A new row becomes one of the others."""

    NEW = "new"
    UNCHANGED = "unchanged"
    INVALID = "invalid"
    CREATED = "created"
    REFUSED = "refused"


class Upload(Authored, Model):
    """An uploaded file of tenants. Nothing is created before the user confirms."""

    __tablename__ = "upload"
    __table_args__ = (Index("ix_upload_state_id", "state", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    state: Mapped[UploadState] = mapped_column(code(UploadState), default=UploadState.CHECKED)
    filename: Mapped[str] = mapped_column(String(255))
    uploaded_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    # True where the file has a column of numbers: imported tenants keep them.
    keeps_numbers: Mapped[bool] = mapped_column(default=False)
    # The highest number among its new rows; later tenants get numbers above it.
    highest_number: Mapped[int | None] = mapped_column(BigInteger)
    # The file's format, as `parsing.Layout` has it; None for uploads of an older version.
    layout: Mapped[str | None] = mapped_column(Text)
    # Counts of the check; `waiting`: new rows that are still to be created.
    rows: Mapped[int]
    new: Mapped[int]
    invalid: Mapped[int]
    waiting: Mapped[int]
    next_line: Mapped[int] = mapped_column(default=0)
    # Rows that existed already, at the check or when they were to be created.
    unchanged: Mapped[int]
    created: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class UploadRow(Model):
    """One line of an uploaded file: its content, and its result."""

    __tablename__ = "upload_row"
    __table_args__ = (
        Index("ix_upload_row_upload_id_outcome_line", "upload_id", "outcome", "line"),
    )

    upload_id: Mapped[int] = mapped_column(
        Number, ForeignKey("upload.id"), primary_key=True, autoincrement=False
    )
    # Counts from 1, the header included.
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[str | None] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(300))
    slug: Mapped[str | None] = mapped_column(String(100))
    outcome: Mapped[RowOutcome] = mapped_column(code(RowOutcome))
    # Its original cells, as a JSON list; None where the check found the row unchanged.
    cells: Mapped[str | None] = mapped_column(Text)
    # Why it is invalid or refused, as `problems.dumped` writes it.
    problems: Mapped[str | None] = mapped_column(String(500))
    # The tenant that was created, or existed already.
    tenant_id: Mapped[int | None] = mapped_column(Number)
