"""The tables of retention: how far each kind of entry is pruned, and the audit's permits."""

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime
from webapp.models.base import Model, Number


class Retention(Model):
    """The pruning of one kind of entry, from its oldest entry to the cut-off and then again."""

    __tablename__ = "retention"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    # Entries of before this moment are pruned, unless they are still needed.
    cut_off: Mapped[datetime] = mapped_column(UtcDateTime)
    # Entries up to this number were looked at since `began_at`; `pruned` of them were deleted.
    position: Mapped[int] = mapped_column(Number)
    pruned: Mapped[int]
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # None: not all entries were looked at yet.
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The audit entry that records this pruning, where the entries are the audit's.
    entry_id: Mapped[int | None] = mapped_column(Number)
    # Since when nothing could be pruned, and why.
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str | None] = mapped_column(Text)


class PrunedTimeline(Model):
    """How many entries of a tenant's timeline were pruned, and the last of them."""

    __tablename__ = "pruned_timeline"

    # No foreign key: its check would lock the tenant's row. Tenants are never deleted.
    tenant_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    entries: Mapped[int]
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    pruned_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditPermit(Model):
    """Lets one transaction prune audit entries, or erase a person from them.

    The database's triggers look for it. It is inserted and deleted within the transaction, so it is
    never committed. `entry_id` is the audit entry that records the change.
    """

    __tablename__ = "audit_permit"

    entry_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    cut_off: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pseudonym: Mapped[str | None] = mapped_column(String(64))
