"""Search of audit entries, newest first."""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from webapp.db.session import Database
from webapp.errors import cursor_number
from webapp.models.audit import AuditEntry, Via
from webapp.models.tenant import Tenant
from webapp.models.tenant_search import is_in_name
from webapp.texts import is_storable, whole_number

# Conditions without an index are checked on this many entries at a time.
WINDOW = 10_000
# The order of numbers and of times may differ by this: clocks of machines, long transactions.
OUT_OF_ORDER = timedelta(minutes=10)
EXPORTED_AT_ONCE = 1000
HIGHEST = 2**62
# Actors that are no users and no tokens, and users that were erased.
UNNAMED = frozenset({"cli", "sweep"})
PSEUDONYM = re.compile(r"erased-user-[0-9]+", re.ASCII)
# Criteria with an index; the first of them that is given is used.
INDEXED, OTHERS = ("tenant_id", "action", "actor"), ("via", "request_id")


@dataclass(frozen=True)
class AuditFilter:
    """A search of entries. An empty field matches everything."""

    actor: str = ""
    action: str = ""
    tenant_id: int | None = None
    via: Via | None = None
    text: str = ""
    request_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Entry:
    """An audit entry, with the present name of its tenant."""

    id: int
    at: datetime
    actor: str
    via: Via | None
    address: str | None
    action: str
    tenant_id: int | None
    tenant: str | None
    target: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    request_id: str | None


@dataclass(frozen=True)
class Found:
    """A page of entries, and the next cursor, None at the end.

    `looked_back_to`: where the search stopped at its bound, so that earlier entries may follow.
    """

    items: Sequence[Entry]
    next_cursor: str | None
    looked_back_to: datetime | None = None


def search(session: Session, criteria: AuditFilter, limit: int, cursor: str | None = None) -> Found:
    """At most `limit` entries by descending number; the cursor is the last number seen.

    Reads a bounded number of entries, so a page may be short or empty before the end.

    Raises:
        InvalidField: the cursor is none of `next_cursor`.
    """
    texts = (criteria.actor, criteria.action, criteria.text, criteria.request_id)
    if not all(map(is_storable, texts)):
        return Found([], None)
    if criteria.actor:
        criteria = replace(criteria, actor=actor_named(criteria.actor))
    indexed = _indexed(criteria)
    if cursor is not None:
        indexed.append(AuditEntry.id < cursor_number(cursor))
    newest = select(AuditEntry).where(*indexed).order_by(AuditEntry.id.desc())
    # A subquery with its own limit, so that the database reads no entry beyond the window.
    entry = aliased(AuditEntry, newest.limit(WINDOW).subquery())
    checks = _unindexed(criteria, entry)
    query = _with_tenants(entry).where(*checks) if checks else _with_tenants(AuditEntry, *indexed)
    rows = session.execute(query.limit(limit + 1)).all()
    items = [_entry(row) for row in rows[:limit]]
    if len(rows) > limit:
        return Found(items, str(items[-1].id))
    last = session.scalar(newest.offset(WINDOW - 1).limit(1)) if checks else None
    return Found(items, str(last.id), last.at) if last else Found(items, None)


def every(
    database: Database, criteria: AuditFilter, at_once: int = EXPORTED_AT_ONCE
) -> Iterator[Sequence[Entry]]:
    """All matching entries, page by page, each read in a transaction of its own."""
    cursor: str | None = None
    while True:
        page = database.read(search, criteria, at_once, cursor)
        yield page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def actor_named(text: str) -> str:
    """The actor's name in entries, from that, an e-mail address, a pseudonym or a token's name."""
    if ":" in text or text in UNNAMED:
        return text
    is_user = "@" in text or PSEUDONYM.fullmatch(text)
    return f"user:{text.lower()}" if is_user else f"token:{text}"


def _with_tenants(entry: Any, *which: ColumnElement[bool]) -> Select[Any, Any]:
    joined = select(entry, Tenant.name.label("tenant")).join(
        Tenant, Tenant.id == entry.tenant_id, isouter=True
    )
    return joined.where(*which).order_by(entry.id.desc())


def _indexed(criteria: AuditFilter) -> list[ColumnElement[bool]]:
    """The conditions that an index answers in order: the times, and one of the others."""
    return [*_equal(criteria, INDEXED, AuditEntry)[:1], *_between(criteria)]


def _unindexed(criteria: AuditFilter, entry: Any) -> list[ColumnElement[bool]]:
    conditions = _equal(criteria, INDEXED, entry)[1:] + _equal(criteria, OTHERS, entry)
    if text := unicodedata.normalize("NFC", criteria.text.strip()):
        conditions.append(_matches(text, entry))
    return conditions


def _equal(criteria: AuditFilter, names: Sequence[str], entry: Any) -> list[ColumnElement[bool]]:
    wanted = {name: getattr(criteria, name) for name in names}
    return [getattr(entry, name) == each for name, each in wanted.items() if each not in (None, "")]


def _between(criteria: AuditFilter) -> Iterator[ColumnElement[bool]]:
    """The times, also as bounds of the number, so that the primary key is enough."""
    if since := criteria.since:
        early = AuditEntry.at < since - OUT_OF_ORDER
        yield AuditEntry.at >= since
        yield AuditEntry.id > _first_id(early, AuditEntry.at.desc(), otherwise=0)
    if until := criteria.until:
        late = AuditEntry.at >= until + OUT_OF_ORDER
        yield AuditEntry.at < until
        yield AuditEntry.id < _first_id(late, AuditEntry.at, otherwise=HIGHEST)


def _first_id(which: ColumnElement[bool], order: Any, *, otherwise: int) -> ColumnElement[int]:
    first = select(AuditEntry.id).where(which).order_by(order).limit(1)
    return func.coalesce(first.scalar_subquery(), otherwise)


def _matches(text: str, entry: Any) -> ColumnElement[bool]:
    columns = (
        *(entry.actor, entry.action, entry.target, entry.address),
        *(entry.before, entry.after, entry.request_id),
    )
    either = [column.icontains(text, autoescape=True) for column in columns]
    either.append(is_in_name(text))
    digits = text.removeprefix("tenant_").removeprefix("#")
    if (number := whole_number(digits)) is not None:
        either.append(entry.tenant_id == number)
    return or_(*either)


def _entry(row: Any) -> Entry:
    entry: AuditEntry = row[0]
    columns = {name: getattr(entry, name) for name in Entry.__annotations__ if name != "tenant"}
    values = {name: json.loads(columns[name] or "{}") for name in ("before", "after")}
    return Entry(tenant=row.tenant, **columns | values)
