"""Users of the panel. Each change of a user ends the user's sessions."""

import secrets
from typing import Any

from flask_security import hash_password
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.audit import log as audit
from webapp.auth.emails import normalized
from webapp.auth.models import User
from webapp.auth.roles import Role
from webapp.auth.sessions import new_session_key
from webapp.db.session import Database, UnitOfWork
from webapp.logs import get_logger
from webapp.models.audit import Actor

PASSWORD_BYTES = 15
MIN_PASSWORD = 8
# PostgreSQL's advisory lock, so that two machines do not both create a first admin.
FIRST_ADMIN_LOCK = 7_274_283

log = get_logger(__name__)


class EmailTaken(Exception):
    """Another user has this e-mail address."""


class UserUnknown(Exception):
    """No user has this e-mail address."""


def generated_password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


def create_user(database: Database, email: str, role: Role, password: str, *, actor: Actor) -> User:
    """Create an active user.

    Raises:
        InvalidEmail: the address cannot be one.
        EmailTaken: another user has it.
    """
    user = _new_user(email, role, password)
    try:
        with database.transaction() as session:
            session.add(user)
            session.flush()
            _record_created(session, user, actor)
    except IntegrityError as error:
        raise EmailTaken(f"a user with the address {user.email} exists") from error
    log.info("auth.user.created", email=user.email, role=role)
    return user


def ensure_admin(database: Database, email: str, password: str, *, actor: Actor) -> User | None:
    """Create the first admin; None when an active one exists. Of concurrent calls, one creates.

    Raises:
        EmailTaken: the address belongs to a user who is no active admin.
    """
    with database.reading() as session:
        if _has_admin(session):
            return None
    user = _new_user(email, Role.ADMIN, password)
    with database.transaction() as session:
        _lock_first_admin(session)
        if _has_admin(session):
            return None
        if session.scalar(select(User.id).where(User.email == user.email)):
            raise EmailTaken(f"{user.email} belongs to a user who is no active admin")
        session.add(user)
        _record_created(session, user, actor)
    log.info("auth.user.created", email=user.email, role=user.role)
    return user


def change_user(database: Database, email: str, *, actor: Actor, **changes: Any) -> None:
    """Set `role`, `active` or `password` of a user, and end the user's sessions.

    Raises:
        UserUnknown: no user has this address.
    """
    if "password" in changes:
        changes["password"] = hash_password(changes["password"])
    changes["fs_uniquifier"] = new_session_key()
    with database.transaction() as session:
        user = session.scalar(select(User).where(User.email == normalized(email)).with_for_update())
        if user is None:
            raise UserUnknown(f"there is no user {email}")
        _record_changed(session, user, changes, actor)
        session.execute(update(User).where(User.id == user.id).values(**changes))
    log.info("auth.user.changed", email=email, changed=sorted(changes.keys() - {"fs_uniquifier"}))


def list_users(database: Database) -> list[User]:
    with database.reading() as session:
        return list(session.scalars(select(User).order_by(User.email)))


def _new_user(email: str, role: Role, password: str) -> User:
    return User(
        email=normalized(email),
        role=role,
        password=hash_password(password),
        active=True,
        fs_uniquifier=new_session_key(),
    )


def _record_created(session: UnitOfWork, user: User, actor: Actor) -> None:
    audit.record(
        session,
        actor=actor,
        action="user.create",
        target=f"user {user.email}",
        after={"role": user.role, "active": True},
    )


def _record_changed(session: UnitOfWork, user: User, changes: dict[str, Any], actor: Actor) -> None:
    """Role and active, before and after; of a password only that it changed."""
    names: list[str] = [name for name in ("role", "active") if name in changes]
    after: dict[str, Any] = {name: changes[name] for name in names}
    if "password" in changes:
        after["password"] = "changed"
    audit.record(
        session,
        actor=actor,
        action="user.change",
        target=f"user {user.email}",
        before={name: getattr(user, name) for name in names},
        after=after,
    )


def _has_admin(session: Session) -> bool:
    admins = select(User.id).where(User.role == Role.ADMIN, User.active.is_(True))
    return session.scalar(admins.limit(1)) is not None


def _lock_first_admin(session: Session) -> None:
    # On SQLite, writing transactions exclude each other.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock({FIRST_ADMIN_LOCK})"))
