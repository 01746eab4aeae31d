"""The audit: an entry with each action, in its transaction, that nobody changes afterwards."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from tests.factories import ACTOR, Product, statements
from webapp.csv_import.parsing import FileRow
from webapp.errors import SlugTaken
from webapp.models.audit import Actor, AuditEntry, Via
from webapp.models.causes import Cause
from webapp.tenants.create_many import Wanted

ROBOT = Actor("token:crm", Via.API, "192.0.2.7", "r-7")


def entries(product: Product) -> list[Any]:
    with product.engine.connect() as connection:
        return list(connection.execute(select(AuditEntry).order_by(AuditEntry.id)).all())


def last_entry(product: Product) -> tuple[str, int | None, Any, Any]:
    """The newest entry: action, tenant, before and after."""
    last = entries(product)[-1]
    before, after = (json.loads(text) if text else None for text in (last.before, last.after))
    return last.action, last.tenant_id, before, after


def test_entries_stay_as_they_are_when_somebody_would_change_them(product: Product) -> None:
    product.create()
    kept = entries(product)
    changes = ["UPDATE audit_entry SET actor = 'nobody'", "DELETE FROM audit_entry"]
    if product.engine.dialect.name == "postgresql":
        # With all that points to the table, which SQLite has no such statement for.
        changes.append("TRUNCATE tenant CASCADE")
    for change in changes:
        with (
            pytest.raises(DatabaseError, match="only ever added to"),
            product.engine.execution_options(writes=True).begin() as connection,
        ):
            connection.execute(text(change))
    assert entries(product) == kept


def test_who_what_and_by_which_road_is_written_when_a_tenant_signs_up(product: Product) -> None:
    tenant = product.create("Città", actor=ROBOT)
    (entry,) = entries(product)
    assert (entry.actor, entry.via, entry.address) == ("token:crm", Via.API, "192.0.2.7")
    assert (entry.action, entry.tenant_id, entry.request_id) == ("tenant.create", tenant.id, "r-7")
    assert (entry.before, json.loads(entry.after)) == (None, {"name": "Città", "slug": "citta"})
    assert "Città" in entry.after


def test_an_entry_costs_one_statement_when_a_tenant_signs_up(product: Product) -> None:
    with statements(product.engine) as seen:
        product.create()
    assert len([each for each in seen if "audit_entry" in each]) == 1


def test_nothing_is_written_when_an_action_is_refused(product: Product) -> None:
    tenant = product.create(slug="acme")
    other = product.create(slug="other")
    with pytest.raises(SlugTaken):
        product.create(slug="acme")
    with pytest.raises(SlugTaken):
        product.services.tenants.rename(other.id, slug="acme", actor=ACTOR)
    assert [entry.tenant_id for entry in entries(product)] == [tenant.id, other.id]


def test_names_before_and_after_are_written_when_a_tenant_is_renamed(product: Product) -> None:
    tenant = product.create("Acme", slug="acme")
    product.services.tenants.rename(tenant.id, name="Acme Group", actor=ACTOR)
    before, after = ({"name": name, "slug": "acme"} for name in ("Acme", "Acme Group"))
    assert last_entry(product) == ("tenant.rename", tenant.id, before, after)


def test_the_error_is_kept_when_a_failed_tenant_is_retried(product: Product) -> None:
    tenant = product.create()
    product.fail(tenant, Cause.AUTH)
    product.services.tenants.retry(tenant.id, actor=ACTOR)
    before = {"status": "failed", "cause": "auth", "error": "as the test has it"}
    assert last_entry(product) == ("tenant.retry", tenant.id, before, {"status": "pending"})


def create_many(product: Product) -> None:
    rows = [Wanted("One", "one"), Wanted("Two", "two"), Wanted("Again", "one"), Wanted("Three")]
    product.services.bulk.create(rows, actor=ACTOR)


def take_over(product: Product) -> None:
    rows = [FileRow(n, f"Before {n}", f"before-{n}", str(n)) for n in (1, 2, 3)]
    product.services.uploads.import_all(rows, dry_run=False, actor=ACTOR)


@pytest.mark.parametrize(
    ("do", "action"),
    [
        (create_many, "tenants.create_many"),
        (take_over, "tenants.import"),
    ],
)
def test_one_entry_with_the_count_is_written_when_an_action_is_done_to_many(
    product: Product, do: Callable[[Product], None], action: str
) -> None:
    do(product)
    (entry,) = [each for each in entries(product) if each.action != "tenant.create"]
    after = json.loads(entry.after)
    assert (entry.action, entry.tenant_id) == (action, None)
    assert (after["tenants"], after["first"], after["last"]) == (3, 1, 3)


def test_nothing_is_written_when_an_action_is_done_to_nobody(product: Product) -> None:
    product.services.bulk.create([Wanted("")], actor=ACTOR)
    product.services.uploads.import_all([], dry_run=False, actor=ACTOR)
    assert entries(product) == []


def test_an_action_of_no_transaction_of_ours_is_taken_down_by_itself(product: Product) -> None:
    actor = replace(ACTOR, request_id="r-1")
    product.services.audit.record_now(actor=actor, action="job.delete", target="job " + "x" * 300)
    (entry,) = entries(product)
    assert (entry.action, entry.request_id, len(entry.target)) == ("job.delete", "r-1", 255)
