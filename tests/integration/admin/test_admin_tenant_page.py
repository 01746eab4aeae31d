"""A tenant's own page: its facts, the code for its partition, its timeline, and the way back."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import insert, update

from tests.access import Visitor, database_of
from tests.factories import imported
from tests.integration.admin.tenants import add_failed, add_tenant, send, tenant_of
from tests.integration.admin.test_admin_queries import MOST_QUERIES, counted
from webapp import current
from webapp.auth.roles import Role
from webapp.db.types import utc_now
from webapp.models.audit import Via
from webapp.models.causes import Cause
from webapp.models.observed import ObservedCollection
from webapp.models.operation import Operation, OperationKind, OperationState
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.states import PartitionState
from webapp.partitions import events
from webapp.partitions.collection_schema import CollectionSchema, SchemaField, record_schema

COLLECTION = "kb_chunks_v1"


def change(app: APIFlask, tenant_id: int, **values: Any) -> None:
    with database_of(app).transaction() as session:
        session.execute(update(Partition).where(Partition.tenant_id == tenant_id).values(values))


def add_events(app: APIFlask, tenant_id: int, count: int, **values: Any) -> None:
    rows = [
        {
            "tenant_id": tenant_id,
            "event": events.CREATING,
            "generation": 1,
            "attempt": n,
            **values,
        }
        for n in range(1, count + 1)
    ]
    with database_of(app).transaction() as session:
        session.execute(insert(PartitionEvent), rows)


def observed(app: APIFlask, **values: Any) -> None:
    with database_of(app).transaction() as session:
        session.add(ObservedCollection(collection=COLLECTION, observed_at=utc_now(), **values))


def page_of(visitor: Visitor, tenant_id: int, more: str = "") -> str:
    answer = visitor.get(f"/admin/tenant/details/?id={tenant_id}{more}")
    assert answer.status_code == 200
    return answer.text


def test_wanted_observed_and_last_attempt_are_told_apart(app: APIFlask, operator: Visitor) -> None:
    tenant_id = add_failed(app)
    observed(app, compared_at=utc_now() - timedelta(minutes=3))
    add_events(app, tenant_id, 1, event=events.CREATE_FAILED, duration_ms=1500, provider="sdk")
    page = page_of(operator, tenant_id)
    parts = re.split(r'<div id="(?:wanted|observed|last-attempt)">', page)
    assert "Request 1: the original request, by test@example.test" in parts[1]
    assert "Not seen yet" in parts[2] and "checked <time" in parts[2]
    assert "Attempt 3 of 3" in parts[3] and "Attempt failed · by the SDK · 1.5 s" in parts[3]


def test_a_retry_is_not_recommended_when_none_can_help(app: APIFlask, operator: Visitor) -> None:
    hopeless, other = add_failed(app, "A", Cause.INVALID_NAME), add_failed(app, "B")
    page = operator.get(f"/admin/tenant/details/?id={hopeless}").text
    assert '<button class="btn" type="submit">Retry all the same</button>' in page
    assert "Retry all the same" not in operator.get(f"/admin/tenant/details/?id={other}").text


def test_a_retry_says_that_it_is_one_and_whose(app: APIFlask, operator: Visitor) -> None:
    tenant_id = add_failed(app)
    send(operator, "/admin/tenant/retry/", tenant_id=str(tenant_id))
    page = page_of(operator, tenant_id)
    assert re.search(r"Request 2: a retry, by operator-\w+@example.test", page)
    assert "None yet for this request, of 3" in page
    assert page.index('id="request-2"') < page.index('id="request-1"')


def test_the_code_fits_the_collection_when_its_fields_are_known(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_tenant(app)
    assert "not known yet: fill them in here" in page_of(operator, tenant_id)
    observed(app)
    fields = (SchemaField("id", "INT64", is_key=True, is_made=True),)
    schema = CollectionSchema((*fields, SchemaField("dense", "FLOAT_VECTOR", dim=768)))
    record_schema(database_of(app), COLLECTION, schema)
    page = page_of(operator, tenant_id)
    assert "PARTITION = &#34;tenant_1&#34;" in page
    assert "&#34;dense&#34;: [0.1] * 768" in page
    assert page.count("data-copies=") == 4


def test_older_events_are_on_the_page_itself_when_there_are_many(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_tenant(app)
    add_events(app, tenant_id, 120)
    seen: list[str] = []
    page = page_of(operator, tenant_id)
    while True:
        seen += re.findall(r'id="event-(\d+)"', page)
        older = re.search(r"before=(\d+)#timeline", page)
        if older is None:
            break
        page = page_of(operator, tenant_id, f"&before={older[1]}")
        assert "older events, newest first" in page
    assert len(seen) == len(set(seen)) >= 121
    assert seen == sorted(seen, key=int, reverse=True)
    assert "There are no older events." in page_of(operator, tenant_id, "&before=1")
    assert operator.get(f"/admin/tenant/details/?id={tenant_id}&before=x").status_code == 404


def test_the_operation_is_named_on_its_request_when_it_was_one_of_many(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_failed(app)
    asked = {"actor": "user:boss@example.test", "via": Via.PANEL, "asked_at": utc_now()}
    with database_of(app).transaction() as session:
        kind, state = OperationKind.RETRY, OperationState.RUNNING
        many = Operation(kind=kind, state=state, selection="{}", tenants=38, **asked)
        session.add(many)
        session.flush()
        number = many.id
    retried = {"event": events.RETRIED, "generation": 2, "actor": "user:boss@example.test"}
    add_events(app, tenant_id, 1, **retried)
    change(app, tenant_id, operation_id=number, generation=2)
    page = page_of(operator, tenant_id)
    assert "Retry of 38 tenants by boss@example.test" in page
    assert f"/admin/operations/show/?id={number}" in page
    assert page.count("Retry of 38 tenants") == 1


def test_jobs_are_linked_for_admins_while_the_queue_has_them(
    app: APIFlask, as_role: Callable[[Role], Visitor]
) -> None:
    tenant_id = add_failed(app)
    add_events(app, tenant_id, 1, event=events.CREATE_FAILED, job_id="t1-g1-d1")
    link = 'href="/rq/0/view/job/t1-g1-d1"'
    admin = as_role(Role.ADMIN)
    assert link in page_of(admin, tenant_id)
    assert link not in page_of(as_role(Role.OPERATOR), tenant_id)
    change(app, tenant_id, state=PartitionState.READY)
    assert link in page_of(admin, tenant_id)
    with database_of(app).transaction() as session:
        session.execute(update(PartitionEvent).values(at=utc_now() - timedelta(hours=1)))
    page = page_of(admin, tenant_id)
    assert link not in page and "t1-g1-d1" in page


def test_undo_stands_right_there_when_a_tenant_was_deleted(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_tenant(app, "<b>Acme</b>")
    send(operator, "/admin/tenant/delete/", id=str(tenant_id))
    page = page_of(operator, tenant_id)
    notices = page[page.index('id="notices"') : page.index("<h1>")]
    assert "&lt;b&gt;Acme&lt;/b&gt; was deleted. You can still keep it." in notices
    assert 'action="/admin/tenant/restore/"' in notices
    assert "Undo" in notices
    # It is said once; the other way back stays.
    page = page_of(operator, tenant_id)
    assert "Undo" not in page and "Keep tenant" in page
    send(operator, "/admin/tenant/restore/", tenant_id=str(tenant_id))
    assert tenant_of(app, tenant_id).deleted_at is None


def test_viewers_see_everything_and_no_button_that_changes_anything(
    app: APIFlask, as_role: Callable[[Role], Visitor]
) -> None:
    page = page_of(as_role(Role.VIEWER), add_failed(app))
    for word in (">Rename", ">Delete", ">Retry", ">Undo"):
        assert word not in page, word
    assert "Will a retry help?" in page and "data-copies=" in page


def test_an_imported_tenant_is_told_how_to_get_its_partition(
    app: APIFlask, operator: Visitor
) -> None:
    with database_of(app).transaction() as session:
        session.add(imported(7))
    page = page_of(operator, 7)
    assert "flask partitions backfill --tenant-id 7" in page
    assert "Nothing has happened yet." in page
    assert 'id="routing"' not in page


@pytest.mark.parametrize("more", ["", "&before=100"])
def test_few_questions_are_asked_when_there_is_everything_to_tell(
    app: APIFlask, operator: Visitor, more: str
) -> None:
    tenant_id = add_tenant(app)
    add_events(app, tenant_id, 150)
    with app.app_context():
        current.tenants().delete(tenant_id, actor=current.command_line())
    add_events(app, tenant_id, 80, generation=2)
    change(app, tenant_id, operation_id=1)
    observed(app)
    page_of(operator, tenant_id)
    with counted(app) as statements:
        page_of(operator, tenant_id, more)
    asked = [statement for statement in statements if statement.startswith("SELECT")]
    assert len(asked) <= MOST_QUERIES, asked
