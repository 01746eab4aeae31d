"""The table of tenants."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Index, String, Text, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from webapp.db.types import UtcDateTime, utc_now
from webapp.models.base import Model, Number, partial_index
from webapp.models.naming import folded
from webapp.models.states import TenantState

if TYPE_CHECKING:
    from webapp.models.partition import Partition


def _name(context: DefaultExecutionContext) -> str:
    name: str = context.get_current_parameters()["name"]  # type: ignore[no-untyped-call]
    return name


class Tenant(Model):
    """A customer. Rows stay after deletion, so that no number is used twice."""

    __tablename__ = "tenant"
    __table_args__ = (
        partial_index("uq_tenant_slug_in_use", "slug", where="deleted_at IS NULL", unique=True),
        partial_index("ix_tenant_living", "name", "id", where="deleted_at IS NULL"),
        partial_index("ix_tenant_deleted", "id", where="deleted_at IS NOT NULL"),
        Index(
            "ix_tenant_unfolded",
            "id",
            sqlite_where=text("folded_from IS NOT name"),
            postgresql_where=text("folded_from IS DISTINCT FROM name"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    slug: Mapped[str] = mapped_column(String(63))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The name as searches compare it, and the name that was folded: where that is not the name,
    # another program wrote it, and the reconciler folds it.
    folded_name: Mapped[str | None] = mapped_column(
        Text, default=lambda context: folded(_name(context)), deferred=True
    )
    folded_from: Mapped[str | None] = mapped_column(String(255), default=_name, deferred=True)

    partition: Mapped["Partition"] = relationship(
        back_populates="tenant", lazy="joined", innerjoin=True
    )

    @validates("name")
    def _fold(self, _attribute: str, name: str) -> str:
        self.folded_name, self.folded_from = folded(name), name
        return name

    @property
    def status(self) -> TenantState:
        return TenantState.DELETED if self.deleted_at else TenantState.ACTIVE

    def __str__(self) -> str:
        return self.name
