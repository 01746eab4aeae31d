"""A limit on guessing passwords, the same over all processes and whatever else is down."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from ipaddress import ip_address, ip_network
from typing import Any

from flask import Flask, current_app, request
from flask_login import current_user
from sqlalchemy import case, update
from sqlalchemy.orm import Session
from werkzeug.exceptions import TooManyRequests

from webapp.auth import counts, failures
from webapp.auth.emails import InvalidEmail, normalized
from webapp.auth.failures import Outcome
from webapp.auth.models import LoginCount
from webapp.db.session import Database
from webapp.db.types import utc_now

GUESSES = 10
WINDOW = timedelta(minutes=1)


class Refused(Exception):
    """Too many guesses were made; `first` tells the first refusal of a window from the others."""

    def __init__(self, retry_after_s: int, *, first: bool) -> None:
        super().__init__("too many guesses")
        self.retry_after_s = retry_after_s
        self.first = first


class _Full(Exception):
    """Rolls back what was counted under other keys."""


class Guesses:
    """Counts guesses under several keys: a visitor's address, and the user they name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, keys: list[str]) -> None:
        """Count a guess before it is looked at, so that guesses made at once count as well.

        Raises:
            Refused: one of the keys has `GUESSES` in this window. Nothing is counted then, so
                that nobody closes another's account from an address that is closed already.
        """
        # Before the count, since a refusal should not cost a write; again where another guess
        # was quicker.
        self._refuse_closed(keys)
        while not self._count(sorted(keys)):
            self._refuse_closed(keys)

    def _count(self, keys: list[str]) -> bool:
        """Count under each key, or under none where one of them is full."""
        try:
            with self._database.transaction() as session:
                _add_all(session, keys)
        except _Full:
            return False
        return True

    def give_back(self, keys: list[str]) -> None:
        """Count a guess no more: it was right."""
        closed = LoginCount.count > GUESSES
        fewer = case((closed, GUESSES - 1), else_=LoginCount.count - 1)
        with self._database.transaction() as session:
            for key in sorted(keys):
                session.execute(
                    update(LoginCount)
                    .where(LoginCount.key == key, LoginCount.count > 0)
                    .values(count=fewer)
                )

    def _refuse_closed(self, keys: list[str]) -> None:
        with self._database.reading() as session:
            found = counts.read(session, keys)
        closed = [row for row in found.values() if row.count >= GUESSES]
        if closed:
            longest = max(row.ends_at for row in closed)
            seconds = max(1, round((longest - utc_now()).total_seconds()))
            first = [self._mark(row) for row in closed if row.count == GUESSES]
            raise Refused(seconds, first=any(first))

    def _mark(self, row: LoginCount) -> bool:
        """Note that a refusal was made: one more than the limit. False where another did."""
        mark = (
            update(LoginCount)
            .where(LoginCount.key == row.key, LoginCount.count == GUESSES)
            .values(count=GUESSES + 1)
            .returning(LoginCount.key)
        )
        with self._database.transaction() as session:
            return session.scalar(mark) is not None


def init_app(app: Flask) -> None:
    """Limit failed logins per address and per e-mail, and take down those that fail."""
    app.view_functions["security.login"] = _limited(app.view_functions["security.login"])


def _limited(view: Callable[[], Any]) -> Callable[[], Any]:
    @wraps(view)
    def login() -> Any:
        if request.method != "POST":
            return view()
        guesses = Guesses(current_app.extensions["database"])
        email = request.form.get("email", "")
        keys = [
            counts.key_of("guess from", _network(request.remote_addr or "")),
            counts.key_of("guess for", _comparable(email)),
        ]
        try:
            guesses.take(keys)
        except Refused as refused:
            failures.tell(email, Outcome.LIMITED, write=refused.first)
            raise TooManyRequests(retry_after=refused.retry_after_s) from refused
        answer = view()
        if current_user.is_authenticated:
            guesses.give_back(keys)
        else:
            failures.tell(email, failures.outcome())
        return answer

    return login


def _add_all(session: Session, keys: list[str]) -> None:
    for key in keys:
        if counts.add(session, key, WINDOW, at_most=GUESSES) is None:
            raise _Full


def _network(address: str) -> str:
    """The address; for IPv6 its first 64 bits, within which one visitor has all addresses."""
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
