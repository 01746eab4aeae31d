"""Looking things up in the audit, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert

from tests.factories import ACTOR, Product
from webapp.audit import log as audit
from webapp.audit import search as audit_trail
from webapp.audit.search import AuditFilter, Found, every, search
from webapp.db.types import utc_now
from webapp.errors import InvalidField
from webapp.models.audit import Actor, AuditEntry, Via

ROBOT = Actor("token:crm", Via.API, "192.0.2.7", "r-7")


def search_audit(
    product: Product, limit: int = 50, cursor: str | None = None, **wanted: object
) -> Found:
    return product.read(search, AuditFilter(**wanted), limit, cursor)  # type: ignore[arg-type]


def ids(product: Product, **wanted: object) -> list[int]:
    return [entry.id for entry in search_audit(product, **wanted).items]


FOUND: list[tuple[dict[str, object], list[int]]] = [
    ({}, [4, 3, 2, 1]),
    ({"actor": "token:crm"}, [3, 1]),
    ({"actor": "crm"}, [3, 1]),
    ({"actor": "Test@example.test"}, [4, 2]),
    ({"actor": "cli"}, []),
    ({"action": "tenant.create"}, [3, 1]),
    ({"tenant_id": 1}, [2, 1]),
    ({"tenant_id": 1, "action": "tenant.create"}, [1]),
    ({"action": "tenant.create", "actor": "test@example.test"}, []),
    ({"via": Via.API}, [3, 1]),
    ({"request_id": "r-8"}, [3]),
    ({"text": "acme c"}, [2, 1]),
    *(({"text": "CITTÀ acm"}, [2, 1]), ({"text": "citta"}, [2, 1])),
    ({"text": "50%"}, [3]),
    ({"text": "%"}, [3]),
    ({"text": "tenant_2"}, [3]),
    ({"text": "#1"}, [2, 1]),
    ({"text": "192.0.2."}, [3, 1]),
    ({"text": "xxx", "actor": "test@example.test"}, [4]),
    ({"text": "9" * 30}, []),
    ({"text": "a\0b"}, []),
]


def test_entries_are_found_by_what_they_say(product: Product) -> None:
    acme = product.create("Acme", actor=ROBOT)
    product.services.tenants.rename(acme.id, name="Acme Città", actor=ACTOR)
    product.create("Bolt 50%", actor=replace(ROBOT, request_id="r-8"))
    with product.services.database.transaction() as session:
        audit.record(session, actor=ACTOR, action="export.audit", target="x" * 9)
    assert [(wanted, ids(product, **wanted)) for wanted, _ in FOUND] == FOUND
    of_acme = search_audit(product, tenant_id=acme.id).items
    assert {entry.tenant for entry in of_acme} == {"Acme Città"}, "the name that it has now"


def at(product: Product, *hours_ago: float) -> None:
    """Entries of these ages, in the order in which their transactions came to an end."""
    now = utc_now()
    rows = [
        {"at": now - timedelta(hours=hours), "actor": "cli", "action": "x"} for hours in hours_ago
    ]
    product.write(insert(AuditEntry), rows)


def test_entries_are_found_by_their_time_when_they_came_out_of_order(product: Product) -> None:
    at(product, 30, 3, 3.1, 2, 0.1)
    now = utc_now()
    assert ids(product, since=now - timedelta(hours=3.05)) == [5, 4, 2]
    assert ids(product, until=now - timedelta(hours=3.05)) == [3, 1]
    day, hour = now - timedelta(days=1), now - timedelta(hours=1)
    assert ids(product, since=day, until=hour) == [4, 3, 2]
    assert ids(product, since=now + timedelta(days=1)) == []
    assert ids(product, until=now - timedelta(days=9)) == []


def test_every_entry_is_seen_once_when_pages_are_followed(product: Product) -> None:
    at(product, *range(7, 0, -1))
    first = search_audit(product, limit=3)
    at(product, 0)
    second = search_audit(product, limit=3, cursor=first.next_cursor)
    third = search_audit(product, limit=3, cursor=second.next_cursor)
    seen = [[entry.id for entry in run.items] for run in (first, second, third)]
    assert (seen, third.next_cursor) == ([[7, 6, 5], [4, 3, 2], [1]], None)


def test_a_run_says_how_far_it_looked_when_what_is_sought_lies_further_back(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "WINDOW", 3)
    product.create("Far back")
    at(product, *range(5, 0, -1))
    run = search_audit(product, text="far")
    assert (run.items, run.next_cursor) == ([], "4")
    assert run.looked_back_to is not None
    run = search_audit(product, text="far", cursor=run.next_cursor)
    assert [entry.id for entry in run.items] == [1]
    everything = every(product.database, AuditFilter(text="far"), 2)
    assert [entry.id for run in everything for entry in run] == [1]


def test_cursor_is_refused_when_it_was_never_given_out(simple: Product) -> None:
    for cursor in ("x", "-1", "", "9" * 30, "٣"):
        with pytest.raises(InvalidField):
            search_audit(simple, cursor=cursor)
