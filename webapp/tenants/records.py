"""The tables that keep what was asked and answered: departures, repeats, the audit."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.base import Model
from webapp.database import UtcDateTime, utc_now
from webapp.tenants.actors import Via
from webapp.tenants.models import Number, code
from webapp.tenants.states import DepartureOutcome


class Departure(Model):
    """The record of a tenant's departure: who asked for it, what was there, and its proof."""

    __tablename__ = "departure"

    tenant_id: Mapped[int] = mapped_column(
        Number, ForeignKey("tenant.id"), primary_key=True, autoincrement=False
    )
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    requested_by: Mapped[str] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))
    # None: Milvus could not say.
    rows: Mapped[int | None] = mapped_column(BigInteger)
    counted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    dropped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[DepartureOutcome | None] = mapped_column(code(DepartureOutcome))
    # The own name of the collection that the proof is of; the partition's may be an alias.
    real_collection: Mapped[str | None] = mapped_column(String(255))


class IdempotencyKey(Model):
    """The answer that a client's key got, given again to each repeat for a day."""

    __tablename__ = "idempotency_key"
    __table_args__ = (Index("ix_idempotency_key_created_at", "created_at"),)

    # Whose key it is: two clients may use the same one.
    owner: Mapped[str] = mapped_column(String(255), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    location: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class AuditEntry(Model):
    """What somebody did. Rows are only ever added."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_tenant_id_id", "tenant_id", "id"),
        Index("ix_audit_entry_at", "at"),
        Index("ix_audit_entry_actor_id", "actor", "id"),
        Index("ix_audit_entry_action_id", "action", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    actor: Mapped[str] = mapped_column(String(255))
    # By which road, and from where: the client's address, or `user@host` of a command.
    via: Mapped[Via | None] = mapped_column(code(Via))
    address: Mapped[str | None] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(64))
    # What it was done to, where that is no tenant: `user ops@example.com`, `operation 7`.
    target: Mapped[str | None] = mapped_column(String(255))
    tenant_id: Mapped[int | None] = mapped_column(Number, ForeignKey("tenant.id"))
    before: Mapped[str | None] = mapped_column(Text)
    after: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(String(64))
