"""Failed logins: each is a log event, and some are audit entries.

Visitors decide how many there are, so the audit has the first ones of an hour, then the 16th, 32nd,
64th and so on, each with the count.
"""

import re
from datetime import timedelta
from enum import StrEnum

from flask import current_app, g, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.audit import log as audit
from webapp.auth import login_counts
from webapp.auth.emails import InvalidEmail, normalized
from webapp.auth.models import User
from webapp.db.session import Database
from webapp.http.request_log import request_id
from webapp.logs import get_logger
from webapp.models.audit import Actor, Via

WINDOW = timedelta(hours=1)
# Recorded one by one: per address, and of all addresses.
FIRST_OF_ADDRESS, FIRST_OF_ALL = 10, 200
ANONYMOUS = "anonymous"
# A password in the wrong field rarely ends with a domain.
DOMAIN = re.compile(r"[\w.-]+\.[^\W\d_]{2,}")

log = get_logger(__name__)


class Outcome(StrEnum):
    """Why a login failed. The values are stored in the audit."""

    UNKNOWN_USER = "unknown_user"
    WRONG_PASSWORD = "wrong_password"
    DEACTIVATED = "deactivated"
    INCOMPLETE = "incomplete"
    LIMITED = "limited"


def note(*, is_known: bool, is_right: bool) -> None:
    """Store the result of the password check, for `outcome`."""
    if not is_known:
        g.login_outcome = Outcome.UNKNOWN_USER
    else:
        g.login_outcome = Outcome.DEACTIVATED if is_right else Outcome.WRONG_PASSWORD


def outcome() -> Outcome:
    """The result of this request's password check; INCOMPLETE without one."""
    result: Outcome = g.get("login_outcome", Outcome.INCOMPLETE)
    return result


def tell(typed: str, outcome: Outcome, *, write: bool = True) -> None:
    """Log a failed login and, with `write`, add it to the audit within the bounds."""
    database: Database = current_app.extensions["database"]
    address = request.remote_addr
    email = database.read(_email, typed)
    log.warning("auth.login.failed", email=email, address=address, outcome=outcome)
    if write:
        _write(database, email, outcome, Actor(ANONYMOUS, Via.PANEL, address, request_id()))


def _write(database: Database, email: str | None, outcome: Outcome, actor: Actor) -> None:
    with database.transaction() as session:
        attempts = _count(session, actor.address or "")
        if attempts is not None:
            audit.record(
                session,
                actor=actor,
                action="user.login_failed",
                target=f"user {email}" if email else None,
                after={"outcome": outcome, "attempts": attempts},
            )
        login_counts.prune(session)


def _count(session: Session, address: str) -> int | None:
    """This address's failures within the hour; None where they get no entry."""
    all_key = login_counts.key_of("failed", "")
    address_key = login_counts.key_of("failed from", address)
    counted = {
        key: login_counts.add(session, key, WINDOW) or 0 for key in sorted([all_key, address_key])
    }
    of_address, of_all = counted[address_key], counted[all_key]
    is_wanted = of_all <= FIRST_OF_ALL and _is_recorded(of_address, FIRST_OF_ADDRESS)
    return of_address if is_wanted or _is_recorded(of_all, 0) else None


def _is_recorded(number: int, first: int) -> bool:
    return number <= first or number & (number - 1) == 0


def _email(session: Session, typed: str) -> str | None:
    """The typed address; None for what may be a password in the wrong field."""
    try:
        email = normalized(typed)
    except InvalidEmail:
        return None
    if session.scalar(select(User.id).where(User.email == email)) is not None:
        return email
    domain = email.rpartition("@")[2]
    return email if DOMAIN.fullmatch(domain) and email.isprintable() else None
