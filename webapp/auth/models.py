"""The tables of access: users of the panel, API tokens, counts of logins, secrets made once."""

from datetime import datetime

from flask_security import UserMixin
from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.auth.roles import Role
from webapp.db.types import UtcDateTime, utc_now
from webapp.models.base import Model, Number, code


class User(Model, UserMixin):
    """Somebody who may log in to the panel. E-mail addresses are kept in lower case."""

    __tablename__ = "panel_user"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(code(Role))
    active: Mapped[bool] = mapped_column(default=True)
    # Sessions carry this instead of the id: a new one ends every session of the user.
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    logged_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def __str__(self) -> str:
        return self.email


class ApiToken(Model):
    """A token for the API. Only its SHA-256 is kept, so nobody can read it back."""

    __tablename__ = "api_token"
    __table_args__ = (
        Index(
            "uq_api_token_name_in_use",
            "name",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[Role] = mapped_column(code(Role))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LoginCount(Model):
    """How often something happened in a window of time that ends by itself; see `limits`."""

    __tablename__ = "login_count"
    __table_args__ = (Index("ix_login_count_ends_at", "ends_at"),)

    # A digest of what is counted, so that nothing typed gets in here.
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StoredSecret(Model):
    """A secret that is made once and must outlive every setting."""

    __tablename__ = "stored_secret"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(255))
