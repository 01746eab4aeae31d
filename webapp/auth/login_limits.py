"""A limit on password guesses, shared by all processes, and independent of Redis.

Guesses are counted under two keys: the visitor's network, and the e-mail address.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import wraps
from ipaddress import ip_address, ip_network
from typing import Any

from flask import Flask, current_app, request
from flask_login import current_user
from sqlalchemy import case, update
from werkzeug.exceptions import TooManyRequests

from webapp.auth import login_counts, login_failures
from webapp.auth.emails import InvalidEmail, normalized
from webapp.auth.login_failures import Outcome
from webapp.auth.models import LoginCount
from webapp.db.session import Database
from webapp.db.types import utc_now

GUESSES = 10
WINDOW = timedelta(minutes=1)


class Refused(Exception):
    """Too many guesses; `first` marks the first refusal of a window."""

    def __init__(self, retry_after_s: int, *, first: bool) -> None:
        super().__init__("too many guesses")
        self.retry_after_s = retry_after_s
        self.first = first


class _Full(Exception):
    """A key has reached its limit; rolls back the counts of the others."""


def init_app(app: Flask) -> None:
    """Limit failed logins per network and e-mail address, and record them."""
    app.view_functions["security.login"] = _limited(app.view_functions["security.login"])


def _limited(view: Callable[[], Any]) -> Callable[[], Any]:
    @wraps(view)
    def login() -> Any:
        if request.method != "POST":
            return view()
        database: Database = current_app.extensions["database"]
        email = request.form.get("email", "")
        keys = [
            login_counts.key_of("guess from", _network(request.remote_addr or "")),
            login_counts.key_of("guess for", _comparable(email)),
        ]
        try:
            _take(database, sorted(keys))
        except Refused as refused:
            login_failures.tell(email, Outcome.LIMITED, write=refused.first)
            raise TooManyRequests(retry_after=refused.retry_after_s) from refused
        answer = view()
        if current_user.is_authenticated:
            _give_back(database, sorted(keys))
        else:
            login_failures.tell(email, login_failures.outcome())
        return answer

    return login


def _take(database: Database, keys: list[str]) -> None:
    """Count a guess before the password is checked, so that concurrent guesses count as well.

    Raises:
        Refused: a key has `GUESSES` in this window. Nothing is counted then, so that an address
            which is refused already cannot lock out another user.
    """
    # First without a write, which a refusal should not cost; again after a concurrent guess.
    _refuse_closed(database, keys)
    while not _count(database, keys):
        _refuse_closed(database, keys)


def _count(database: Database, keys: list[str]) -> bool:
    """Count a guess under every key; False, and none is counted, where one is at its limit."""
    with suppress(_Full), database.transaction() as session:
        for key in keys:
            if login_counts.add(session, key, WINDOW, at_most=GUESSES) is None:
                raise _Full
        return True
    return False


def _give_back(database: Database, keys: list[str]) -> None:
    """Uncount a guess: it was right."""
    closed = LoginCount.count > GUESSES
    fewer = case((closed, GUESSES - 1), else_=LoginCount.count - 1)
    with database.transaction() as session:
        for key in keys:
            session.execute(
                update(LoginCount)
                .where(LoginCount.key == key, LoginCount.count > 0)
                .values(count=fewer)
            )


def _refuse_closed(database: Database, keys: list[str]) -> None:
    rows = database.read(login_counts.read, keys)
    closed = [row for row in rows.values() if row.count >= GUESSES]
    if closed:
        longest = max(row.ends_at for row in closed)
        seconds = max(1, round((longest - utc_now()).total_seconds()))
        first = [_mark(database, row) for row in closed if row.count == GUESSES]
        raise Refused(seconds, first=any(first))


def _mark(database: Database, row: LoginCount) -> bool:
    """Record the first refusal, as a count above the limit; False where it is recorded."""
    mark = (
        update(LoginCount)
        .where(LoginCount.key == row.key, LoginCount.count == GUESSES)
        .values(count=GUESSES + 1)
        .returning(LoginCount.key)
    )
    with database.transaction() as session:
        return session.scalar(mark) is not None


def _network(address: str) -> str:
    """The address; for IPv6 its /64 network, which one visitor may own as a whole."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((address, 64), strict=False)) if parsed.version == 6 else address


def _comparable(email: str) -> str:
    try:
        return normalized(email)
    except InvalidEmail:
        return email.strip().lower()
