"""The ordinary Flask application with the same duties, written as the libraries' guides say.

Run as `python -m bench.peers.ordinary SECRET`, it makes its tables and a token of that secret.
"""

import hashlib
import os
import secrets
import sys
from datetime import UTC, datetime
from typing import Any

from flask import Flask, abort, request
from flask_sqlalchemy import SQLAlchemy
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Engine, ForeignKey, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bench.peers.rq_app import enqueue


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class ApiToken(Base):
    __tablename__ = "api_token"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)


class Tenant(Base):
    __tablename__ = "tenant"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(default="pending")
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


class AuditEntry(Base):
    __tablename__ = "audit_entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    actor: Mapped[str]
    action: Mapped[str]
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)


class NewTenant(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    name: str = Field(min_length=1, max_length=200)


def create_app() -> Flask:
    """`POST /api/tenants` with a token, a checked body, a free slug, an audit row and a job."""
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["BENCH_DATABASE"]
    db.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            _keep_what_is_acknowledged(db.engine)
    app.post("/api/tenants")(create)
    return app


def create() -> tuple[dict[str, Any], int]:
    actor = _authenticated()
    try:
        wanted = NewTenant.model_validate(request.get_json())
    except ValidationError as error:
        return {"errors": error.errors(include_url=False)}, 422
    tenant = Tenant(name=wanted.name, slug=_free_slug(wanted.name))
    db.session.add(tenant)
    db.session.flush()
    db.session.add(AuditEntry(actor=actor.name, action="tenant.create", tenant_id=tenant.id))
    db.session.commit()
    enqueue(tenant.id)
    return {
        "id": tenant.id,
        "name": tenant.name,
        "slug": tenant.slug,
        "status": tenant.status,
        "created_at": tenant.created_at.isoformat(),
    }, 201


def _authenticated() -> ApiToken:
    secret = request.headers.get("Authorization", "").removeprefix("Bearer ")
    known = db.select(ApiToken).where(ApiToken.digest == _digest(secret))
    token: ApiToken | None = db.session.scalar(known)
    if token is None:
        abort(401)
    return token


def _free_slug(name: str) -> str:
    slug = "-".join(name.lower().split())
    taken = db.session.scalar(db.select(Tenant.id).where(Tenant.slug == slug))
    return f"{slug}-{secrets.token_hex(4)}" if taken else slug


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def prepare(secret: str) -> None:
    """Make the tables, and a token of this secret."""
    with create_app().app_context():
        db.create_all()
        db.session.add(ApiToken(name="bench", digest=_digest(secret)))
        db.session.commit()


def _keep_what_is_acknowledged(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=10000")


if __name__ == "__main__":
    prepare(sys.argv[1])
