"""The audit: an entry with each action, in its transaction, that nobody changes afterwards."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError

from tests.access import statements
from tests.factories import ACTOR, Product
from webapp.audit import log as audit
from webapp.csv_import.parsing import FileRow
from webapp.errors import SlugTaken
from webapp.models.audit import Actor, Via
from webapp.models.causes import Cause
from webapp.tenants.create_many import Wanted

ROBOT = Actor("token:crm", Via.API, "192.0.2.7", "r-7")


def last_entry(product: Product) -> tuple[str, int | None, Any, Any]:
    """The newest entry: action, tenant, before and after."""
    last = product.audited()[-1]
    before, after = (json.loads(text) if text else None for text in (last.before, last.after))
    return last.action, last.tenant_id, before, after


def test_no_statement_changes_or_removes_an_entry(product: Product) -> None:
    product.create()
    kept = [(entry.id, entry.actor) for entry in product.audited()]
    changes = ["UPDATE audit_entry SET actor = 'nobody'", "DELETE FROM audit_entry"]
    if product.engine.dialect.name == "postgresql":
        # With all that points to the table, which SQLite has no such statement for.
        changes.append("TRUNCATE tenant CASCADE")
    for change in changes:
        with pytest.raises(DatabaseError, match="only ever added to"):
            product.write(change)
    assert [(entry.id, entry.actor) for entry in product.audited()] == kept


def test_actor_and_action_are_written_when_a_tenant_signs_up(simple: Product) -> None:
    with statements(simple.engine) as seen:
        tenant = simple.create("Città", actor=ROBOT)
    assert len([each for each in seen if "audit_entry" in each]) == 1
    (entry,) = simple.audited()
    assert (entry.actor, entry.via, entry.address) == ("token:crm", Via.API, "192.0.2.7")
    assert (entry.action, entry.tenant_id, entry.request_id) == ("tenant.create", tenant.id, "r-7")
    assert (entry.before, json.loads(entry.after)) == (None, {"name": "Città", "slug": "citta"})
    assert "Città" in entry.after


def test_nothing_is_written_when_an_action_is_refused(simple: Product) -> None:
    tenant = simple.create(slug="acme")
    other = simple.create(slug="other")
    with pytest.raises(SlugTaken):
        simple.create(slug="acme")
    with pytest.raises(SlugTaken):
        simple.services.tenants.rename(other.id, slug="acme", actor=ACTOR)
    assert [entry.tenant_id for entry in simple.audited()] == [tenant.id, other.id]


def test_the_state_before_and_after_an_action_is_written(simple: Product) -> None:
    tenant = simple.create("Acme", slug="acme")
    simple.services.tenants.rename(tenant.id, name="Acme Group", actor=ACTOR)
    before, after = ({"name": name, "slug": "acme"} for name in ("Acme", "Acme Group"))
    assert last_entry(simple) == ("tenant.rename", tenant.id, before, after)
    simple.fail(tenant, Cause.AUTH)
    simple.services.tenants.retry(tenant.id, actor=ACTOR)
    before = {"status": "failed", "cause": "auth", "error": "as the test has it"}
    assert last_entry(simple) == ("tenant.retry", tenant.id, before, {"status": "pending"})


def test_one_entry_has_the_count_when_an_action_is_done_to_many(simple: Product) -> None:
    bulk, uploads = simple.services.bulk, simple.services.uploads
    bulk.create([Wanted("")], actor=ACTOR)
    uploads.import_all([], dry_run=False, actor=ACTOR)
    assert simple.audited() == []
    wanted = [Wanted("One", "one"), Wanted("Two", "two"), Wanted("Again", "one"), Wanted("Three")]
    bulk.create(wanted, actor=ACTOR)
    rows = [FileRow(n, f"Before {n}", f"before-{n}", str(n)) for n in (14, 15, 16)]
    uploads.import_all(rows, dry_run=False, actor=ACTOR)
    for action, first in (("tenants.create_many", 1), ("tenants.import", 14)):
        (entry,) = simple.audited(action)
        after = json.loads(entry.after or "")
        assert (entry.tenant_id, after["tenants"]) == (None, 3)
        assert (after["first"], after["last"]) == (first, first + 2)


def test_an_action_of_no_transaction_of_ours_is_recorded_by_itself(simple: Product) -> None:
    actor = replace(ACTOR, request_id="r-1")
    with simple.services.database.transaction() as session:
        audit.record(session, actor=actor, action="job.delete", target="job " + "x" * 300)
    (entry,) = simple.audited()
    assert (entry.action, entry.request_id, len(entry.target)) == ("job.delete", "r-1", 255)
