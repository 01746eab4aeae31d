"""Erasure of a person: a pseudonym takes the place of the e-mail address, and entries stay.

The user is locked out first and renamed last, so a command that was cut short is repeated with the
same address, and ends with the same pseudonym. Each batch is a short transaction.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from flask_security import hash_password
from sqlalchemy import ColumnElement, Integer, and_, delete, inspect, or_, select, true, update
from sqlalchemy.orm import Session

from webapp.audit import log as audit
from webapp.audit.permits import permitted
from webapp.auth import login_counts
from webapp.auth.models import ApiToken, LoginCount, User
from webapp.auth.roles import Role
from webapp.auth.sessions import new_session_key
from webapp.auth.users import generated_password
from webapp.db.batching import batches
from webapp.db.session import Database
from webapp.logs import get_logger
from webapp.models.audit import Actor, AuditEntry, Via
from webapp.models.base import Model
from webapp.models.control import Brake, Installation, Pause
from webapp.models.csv_import import Upload
from webapp.models.idempotency import IdempotencyKey
from webapp.models.observed import PartitionDrift
from webapp.models.operation import Operation
from webapp.models.orphan import OrphanRequest
from webapp.models.partition import Departure, PartitionEvent

# The columns in which an e-mail address can stand, as an actor or within a text.
TEXTS: dict[Any, tuple[str, ...]] = {
    AuditEntry: ("actor", "target", "before", "after"),
    PartitionEvent: ("actor", "message"),
    Departure: ("requested_by",),
    Operation: ("actor", "selection"),
    Upload: ("actor", "filename"),
    Pause: ("paused_by", "reason"),
    PartitionDrift: ("acknowledged_by", "acknowledged_reason"),
    Brake: ("acknowledged_by", "released_by"),
    Installation: ("acknowledged_by",),
    OrphanRequest: ("actor",),
    IdempotencyKey: ("body",),
    # A token's name is a person's only where it has the address.
    ApiToken: ("name",),
}
# The tables with the address that a person came from.
ADDRESSED = frozenset({AuditEntry, Operation, OrphanRequest, Upload})
# Columns with an actor's signature, which of a command has `login@host`.
SIGNED = "_by"
# For an address that is no user's, such as of a failed login.
NO_USER = "erased-address"
LOOKED_AT = 5_000
CHANGED_AT_ONCE = 200

log = get_logger(__name__)


class LastAdmin(Exception):
    """The user is the only active admin."""


@dataclass(frozen=True)
class Person:
    """An e-mail address, addresses that the person came from, and the pseudonym."""

    email: str
    addresses: frozenset[str]
    pseudonym: str

    def replace(self, text: str) -> str:
        """The text with the pseudonym in place of the address; longer addresses stay."""
        # A file's name may end with the address.
        address = rf"(?<![\w.+-]){re.escape(self.email)}(?![\w-]|\.(?!csv\b)\w)"
        return re.sub(address, self.pseudonym, text, flags=re.IGNORECASE)

    def unsign(self, signature: str) -> str:
        """A command's signature without the `login@host` that is this person's."""
        name, _colon, address = signature.partition(":")
        is_mine = name == Via.CLI and address.lower() in self.addresses
        return name if is_mine else self.replace(signature)

    def came_from(self, row: Any) -> bool:
        """Whether the row's address is this person's."""
        is_failed_login = getattr(row, "action", "") == "user.login_failed"
        return (
            row.actor == f"user:{self.email}"
            or (is_failed_login and row.target == f"user {self.email}")
            or (row.address or "").lower() in self.addresses
        )


@dataclass(frozen=True)
class Erased:
    """The pseudonym, and how many rows were changed."""

    pseudonym: str
    rows: int


def erase_user(
    database: Database, email: str, addresses: Sequence[str] = (), *, actor: Actor
) -> Erased:
    """Erase the person with this e-mail address, a user or not; repeatable.

    Rows of other actors lose the `addresses` too, such as `login@host` in entries of commands.

    Raises:
        LastAdmin: no active admin would be left; nothing is changed.
    """
    user_id, entry_id = _lock_out(database, email, actor)
    came_from = frozenset(each.lower() for each in (email, *addresses))
    person = Person(email, came_from, _pseudonym(user_id))
    rows = sum(_erase_from(database, table, person, entry_id) for table in TEXTS)
    _forget(database, person, user_id)
    log.info("auth.user.erased", pseudonym=person.pseudonym, rows=rows)
    return Erased(person.pseudonym, rows)


def _pseudonym(user_id: int | None) -> str:
    return NO_USER if user_id is None else f"erased-user-{user_id}"


def _lock_out(database: Database, email: str, actor: Actor) -> tuple[int | None, int]:
    """End the user's access, and record the erasure; returns the user's and the entry's number."""
    with database.transaction() as session:
        user = session.scalar(select(User).where(User.email == email).with_for_update())
        if user is not None:
            _require_another_admin(session, user)
            user.active, user.fs_uniquifier = False, new_session_key()
        user_id = user.id if user else None
        target = f"user {_pseudonym(user_id)}"
        return user_id, audit.record(session, actor=actor, action="user.erase", target=target)


def _require_another_admin(session: Session, user: User) -> None:
    others = select(User.id).where(User.role == Role.ADMIN, User.active, User.id != user.id)
    if user.role == Role.ADMIN and user.active and session.scalar(others.limit(1)) is None:
        raise LastAdmin("this is the last active admin; create another one first")


def _erase_from(database: Database, table: type[Model], person: Person, entry_id: int) -> int:
    """Change the rows of one table, batch by batch; returns how many."""
    changed = 0
    for window in _windows(database, table):
        with database.reading() as session:
            rows = session.scalars(select(table).where(window, _mentions(table, person))).all()
        changes = [each for row in rows if (each := _change(table, row, person))]
        for batch in batches(changes, CHANGED_AT_ONCE):
            with database.transaction() as session:
                is_audit = table is AuditEntry
                permit = permitted(session, entry_id, pseudonym=person.pseudonym)
                with permit if is_audit else nullcontext():
                    for unchanged, values in batch:
                        session.execute(update(table).where(unchanged).values(values))
        changed += len(changes)
    return changed


def _windows(database: Database, table: type[Model]) -> Iterator[ColumnElement[bool]]:
    """Conditions that are met by a bounded number of rows each, and by all rows together."""
    number = inspect(table).primary_key[0]
    if not isinstance(number.type, Integer):
        yield true()
        return
    after: ColumnElement[bool] = true()
    while True:
        last = select(number).where(after).order_by(number).offset(LOOKED_AT - 1).limit(1)
        with database.reading() as session:
            until = session.scalar(last)
        if until is None:
            yield after
            return
        yield and_(after, number <= until)
        after = number > until


def _mentions(table: type[Model], person: Person) -> ColumnElement[bool]:
    columns = [getattr(table, name) for name in TEXTS[table]]
    conditions = [column.icontains(person.email, autoescape=True) for column in columns]
    signed = [column for column in columns if column.key.endswith(SIGNED)]
    conditions += [
        column.icontains(each, autoescape=True) for column in signed for each in person.addresses
    ]
    if table in ADDRESSED:
        address: Any = table.address  # type: ignore[attr-defined]
        conditions += [address.icontains(each, autoescape=True) for each in person.addresses]
    return or_(*conditions)


def _change(
    table: type[Model], row: Any, person: Person
) -> tuple[ColumnElement[bool], dict[str, Any]] | None:
    """The row as it was, and its new values; None where the address is a part of another one."""
    before = {name: getattr(row, name) for name in TEXTS[table] if getattr(row, name)}
    values: dict[str, Any] = {
        name: person.unsign(text) if name.endswith(SIGNED) else person.replace(text)
        for name, text in before.items()
    }
    values = {name: text for name, text in values.items() if text != before[name]}
    if table in ADDRESSED and row.address and person.came_from(row):
        values["address"] = None
    keys = [str(column.key) for column in inspect(table).primary_key]
    unchanged = [getattr(table, name) == getattr(row, name) for name in (*keys, *values)]
    return (and_(*unchanged), values) if values else None


def _forget(database: Database, person: Person, user_id: int | None) -> None:
    """Rename the user, and delete what expires by itself."""
    kinds = ("guess for", "guess from", "failed from")
    counts = [login_counts.key_of(kind, each) for kind in kinds for each in person.addresses]
    with database.transaction() as session:
        session.execute(delete(LoginCount).where(LoginCount.key.in_(counts)))
        if user_id is None:
            return
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.owner == f"user:{user_id}"))
        # The row stays, so that no other user gets the number of this pseudonym.
        erased = {"email": person.pseudonym, "password": hash_password(generated_password())}
        session.execute(update(User).where(User.id == user_id).values(erased))
