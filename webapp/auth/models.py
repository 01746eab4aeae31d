"""The tables of access: panel users, API tokens, login counts, stored secrets."""

from datetime import datetime

from flask_security import UserMixin
from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.auth.roles import Role
from webapp.db.types import UtcDateTime, utc_now
from webapp.models.base import Model, Number, code, partial_index


class User(Model, UserMixin):
    """A user of the panel. E-mail addresses are stored in lower case."""

    __tablename__ = "panel_user"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(code(Role))
    active: Mapped[bool] = mapped_column(default=True)
    # Stored in sessions instead of the id: a new value ends all sessions of the user.
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    logged_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def __str__(self) -> str:
        return self.email


class ApiToken(Model):
    """A token for the API. Only its SHA-256 is stored."""

    __tablename__ = "api_token"
    __table_args__ = (
        partial_index("uq_api_token_name_in_use", "name", where="revoked_at IS NULL", unique=True),
    )

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[Role] = mapped_column(code(Role))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LoginCount(Model):
    """A count of logins in a window of time; see `login_counts`."""

    __tablename__ = "login_count"
    __table_args__ = (Index("ix_login_count_ends_at", "ends_at"),)

    # A digest, so that no input is stored.
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StoredSecret(Model):
    """A secret that is generated once and must outlive every setting."""

    __tablename__ = "stored_secret"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(255))
