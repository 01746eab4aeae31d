"""The tables of uploaded files and their rows."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime, utc_now
from webapp.models.audit import Via
from webapp.models.base import Model, Number, code


class UploadState(StrEnum):
    """How far an uploaded file is: looked at, being created row by row, or done with."""

    CHECKED = "checked"
    RUNNING = "running"
    FINISHED = "finished"
    DISCARDED = "discarded"


class RowOutcome(StrEnum):
    """What a row of the file is, or has become. The values stand in the result file.

    New ones become created or, where somebody was faster, unchanged or refused.
    """

    NEW = "new"
    UNCHANGED = "unchanged"
    INVALID = "invalid"
    CREATED = "created"
    REFUSED = "refused"


class Upload(Model):
    """A file of tenants that somebody uploaded. Nothing of it is created before they confirm."""

    __tablename__ = "upload"
    __table_args__ = (
        Index("ix_upload_state_id", "state", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    state: Mapped[UploadState] = mapped_column(code(UploadState), default=UploadState.CHECKED)
    filename: Mapped[str] = mapped_column(String(255))
    uploaded_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    actor: Mapped[str] = mapped_column(String(255))
    via: Mapped[Via] = mapped_column(code(Via))
    address: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))
    # True where the file has numbers of its own: imported tenants, which keep them.
    keeps_numbers: Mapped[bool] = mapped_column(default=False)
    # The highest number among its new rows; later tenants get numbers above it.
    highest_number: Mapped[int | None] = mapped_column(BigInteger)
    # How the file was written, as `parsing.Layout` has it; None of a version before.
    layout: Mapped[str | None] = mapped_column(Text)
    # What the check counted, and of the new ones how many are still to be taken, line by line.
    rows: Mapped[int]
    new: Mapped[int]
    invalid: Mapped[int]
    waiting: Mapped[int]
    next_line: Mapped[int] = mapped_column(default=0)
    # Rows that were there already, when they were checked or when their turn came.
    unchanged: Mapped[int]
    created: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class UploadRow(Model):
    """One line of an uploaded file: as it was written, and what has become of it."""

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
    # Its cells as they were written, as a list in JSON; None where the check found it unchanged.
    cells: Mapped[str | None] = mapped_column(Text)
    # Why it is invalid or refused, as `problems.dumped` writes it.
    problems: Mapped[str | None] = mapped_column(String(500))
    # The tenant that it became, or that was there already.
    tenant_id: Mapped[int | None] = mapped_column(Number)
