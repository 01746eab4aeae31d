"""The requests to count or drop orphans, which the reconciler fulfils."""

from datetime import datetime

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime, utc_now
from webapp.models.audit import Authored
from webapp.models.base import Model, code, partial_index
from webapp.models.states import OrphanAction, OrphanOutcome


class OrphanRequest(Authored, Model):
    """The last request about a partition, with its result. The audit has the earlier ones."""

    __tablename__ = "orphan_request"
    __table_args__ = (
        partial_index("ix_orphan_request_waiting", "asked_at", where="finished_at IS NULL"),
    )

    collection: Mapped[str] = mapped_column(String(255), primary_key=True)
    partition: Mapped[str] = mapped_column(String(255), primary_key=True)
    action: Mapped[OrphanAction] = mapped_column(code(OrphanAction))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    # Whose turn it is: a process that finds another moment here has lost the request.
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The count before a drop is stored here before the drop begins.
    rows: Mapped[int | None] = mapped_column(BigInteger)
    counted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    drop_began_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    real_collection: Mapped[str | None] = mapped_column(String(255))
    # The result; `finished_at` is None until there is one.
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[OrphanOutcome | None] = mapped_column(code(OrphanOutcome))
    message: Mapped[str | None] = mapped_column(Text)
