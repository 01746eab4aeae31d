"""API tokens: create, revoke, authenticate by hash."""

import hashlib
import hmac
import secrets
from datetime import timedelta

from flask import current_app, has_request_context, request
from sqlalchemy import or_, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from webapp.audit import log as audit
from webapp.auth.models import ApiToken
from webapp.auth.roles import Principal, Role
from webapp.db.safe_methods import Note
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.logs import get_logger
from webapp.models.audit import Actor
from webapp.texts import is_storable, whole_number

PREFIX = "par_"
SECRET_BYTES = 32
# The last use is stored to the minute, so that not every read is a write.
LAST_USE_STEP = timedelta(minutes=1)

log = get_logger(__name__)


class TokenNameTaken(Exception):
    """A token in use has this name."""


class TokenUnknown(Exception):
    """No token in use has this name or number."""


def create_token(database: Database, name: str, role: Role, *, actor: Actor) -> str:
    """Create a token and return its secret, which is not stored.

    Raises:
        TokenNameTaken: a token in use has this name.
    """
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    try:
        with database.transaction() as session:
            session.add(ApiToken(name=name, role=role, digest=_digest(secret)))
            session.flush()
            target, after = f"token {name}", {"role": role}
            audit.record(session, actor=actor, action="token.create", target=target, after=after)
    except IntegrityError as error:
        raise TokenNameTaken(f"a token named {name!r} exists") from error
    log.info("auth.token.created", name=name, role=role)
    return secret


def revoke_token(database: Database, name_or_id: str, *, actor: Actor) -> ApiToken:
    """Revoke a token, given by its name or else its number.

    Raises:
        TokenUnknown: no token in use has it.
    """
    with database.transaction() as session:
        live = select(ApiToken).where(ApiToken.revoked_at.is_(None))
        is_name = is_storable(name_or_id)
        token = session.scalar(live.where(ApiToken.name == name_or_id)) if is_name else None
        if token is None and (number := whole_number(name_or_id)):
            token = session.scalar(live.where(ApiToken.id == number))
        if token is None:
            raise TokenUnknown(f"no live token is named or numbered {name_or_id!r}")
        token.revoked_at = utc_now()
        target, before = f"token {token.name}", {"role": token.role}
        audit.record(session, actor=actor, action="token.revoke", target=target, before=before)
    log.info("auth.token.revoked", name=token.name)
    return token


def list_tokens(database: Database) -> list[ApiToken]:
    """All tokens, also revoked ones, oldest first."""
    with database.reading() as session:
        return list(session.scalars(select(ApiToken).order_by(ApiToken.id)))


def authenticate(authorization_header: str | None) -> Principal | None:
    """The principal of `Authorization: Bearer TOKEN`; None for a missing or invalid token."""
    scheme, _, secret = (authorization_header or "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    database: Database = current_app.extensions["database"]
    digest = _digest(secret.strip())
    with database.reading() as session:
        token = session.scalar(select(ApiToken).where(ApiToken.digest == digest))
    if token is None or token.revoked_at or not hmac.compare_digest(token.digest, digest):
        # No audit entry: 256 random bits cannot be guessed, and a forgotten script would fill it.
        address = request.remote_addr if has_request_context() else None
        log.warning("auth.token.refused", token=token and token.name, address=address)
        return None
    _note_use(database, token)
    return Principal(kind="token", id=token.id, name=token.name, role=token.role)


def _note_use(database: Database, token: ApiToken) -> None:
    now = utc_now()
    if token.last_used_at and token.last_used_at > now - LAST_USE_STEP:
        return
    unnoted = or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at <= now - LAST_USE_STEP)
    used = update(ApiToken).where(ApiToken.id == token.id, unnoted).values(last_used_at=now)
    try:
        with database.note(Note.TOKEN_USED) as session:
            session.execute(used)
    except DBAPIError:
        # The request is served without it.
        log.warning("auth.token.use_not_noted", name=token.name)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
