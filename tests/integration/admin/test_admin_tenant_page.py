"""A tenant's own page: its facts, the code for its partition, its timeline, and the way back."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from tests.factories import imported
from tests.integration.admin.panel import COLLECTION, MOST_QUERIES, OpenPanel
from webapp import current
from webapp.db.types import utc_now
from webapp.models.audit import Via
from webapp.models.causes import Cause
from webapp.models.operation import Operation, OperationKind, OperationState
from webapp.models.partition import PartitionEvent
from webapp.models.retention import PrunedTimeline
from webapp.models.states import PartitionState
from webapp.partitions import events
from webapp.partitions.collection_schema import CollectionSchema, SchemaField, record_schema


def add_events(panel: OpenPanel, tenant_id: int, count: int, **values: Any) -> None:
    event = {"tenant_id": tenant_id, "event": events.CREATING, "generation": 1, **values}
    rows = [{"attempt": number, **event} for number in range(1, count + 1)]
    panel.execute(insert(PartitionEvent).values(rows))


def test_wanted_observed_and_last_attempt_are_told_apart(panel: OpenPanel) -> None:
    tenant_id = panel.add_failed()
    panel.observe(compared_at=utc_now() - timedelta(minutes=3))
    add_events(panel, tenant_id, 1, event=events.CREATE_FAILED, duration_ms=1500, provider="sdk")
    page = panel.details(tenant_id)
    parts = re.split(r'<div id="(?:wanted|observed|last-attempt)">', page)
    assert "Request 1: the original request, by test@example.test" in parts[1]
    assert "Not seen yet" in parts[2] and "checked <time" in parts[2]
    assert "Attempt 3 of 3" in parts[3] and "Attempt failed · by the SDK · 1.5 s" in parts[3]


def test_a_retry_is_not_recommended_when_none_can_help(panel: OpenPanel) -> None:
    hopeless, other = panel.add_failed("A", Cause.INVALID_NAME), panel.add_failed("B")
    page = panel.details(hopeless)
    assert '<button class="btn" type="submit">Retry all the same</button>' in page
    assert "Retry all the same" not in panel.details(other)


def test_a_retry_says_that_it_is_one_and_whose(panel: OpenPanel) -> None:
    tenant_id = panel.add_failed()
    panel.send("/admin/tenant/retry/", tenant_id=tenant_id)
    page = panel.details(tenant_id)
    assert re.search(r"Request 2: a retry, by operator-\w+@example.test", page)
    assert "None yet for this request, of 3" in page
    assert page.index('id="request-2"') < page.index('id="request-1"')


def test_the_code_fits_the_collection_when_its_fields_are_known(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant()
    assert "not known yet: fill them in here" in panel.details(tenant_id)
    panel.observe()
    fields = (SchemaField("id", "INT64", is_key=True, is_made=True),)
    schema = CollectionSchema((*fields, SchemaField("dense", "FLOAT_VECTOR", dim=768)))
    record_schema(panel.services.database, COLLECTION, schema)
    page = panel.details(tenant_id)
    assert "PARTITION = &#34;tenant_1&#34;" in page
    assert "&#34;dense&#34;: [0.1] * 768" in page
    assert page.count("data-copies=") == 4


def test_older_events_are_on_the_page_itself_when_there_are_many(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant()
    add_events(panel, tenant_id, 120)
    seen: list[str] = []
    page = panel.details(tenant_id)
    while True:
        seen += re.findall(r'id="event-(\d+)"', page)
        older = re.search(r"before=(\d+)#timeline", page)
        if older is None:
            break
        page = panel.details(tenant_id, f"&before={older[1]}")
        assert "older events, newest first" in page
    assert len(seen) == len(set(seen)) >= 121
    assert seen == sorted(seen, key=int, reverse=True)
    assert "There are no older events." in panel.details(tenant_id, "&before=1")
    assert panel.get(f"/admin/tenant/details/?id={tenant_id}&before=x").status_code == 404


def test_the_operation_is_named_on_its_request_when_it_was_one_of_many(panel: OpenPanel) -> None:
    tenant_id = panel.add_failed()
    asked = {"actor": "user:boss@example.test", "via": Via.PANEL, "asked_at": utc_now()}
    kind, state = OperationKind.RETRY, OperationState.RUNNING
    panel.store(Operation(id=38, kind=kind, state=state, selection="{}", tenants=38, **asked))
    retried = {"event": events.RETRIED, "generation": 2, "actor": "user:boss@example.test"}
    add_events(panel, tenant_id, 1, **retried)
    panel.change(tenant_id, operation_id=38, generation=2)
    page = panel.details(tenant_id)
    assert "Retry of 38 tenants by boss@example.test" in page
    assert "/admin/operations/show/?id=38" in page
    assert page.count("Retry of 38 tenants") == 1


def test_jobs_are_linked_for_admins_while_the_queue_has_them(
    admin: OpenPanel, panel: OpenPanel
) -> None:
    tenant_id = admin.add_failed()
    add_events(admin, tenant_id, 1, event=events.CREATE_FAILED, job_id="t1-g1-d1")
    link = 'href="/rq/0/view/job/t1-g1-d1"'
    assert link in admin.details(tenant_id)
    assert link not in panel.details(tenant_id)
    admin.change(tenant_id, state=PartitionState.READY)
    assert link in admin.details(tenant_id)
    admin.execute(update(PartitionEvent).values(at=utc_now() - timedelta(hours=1)))
    page = admin.details(tenant_id)
    assert link not in page and "t1-g1-d1" in page


def test_undo_stands_right_there_when_a_tenant_was_deleted(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant("<b>Acme</b>")
    panel.send("/admin/tenant/delete/", id=tenant_id)
    page = panel.details(tenant_id)
    notices = page[page.index('id="notices"') : page.index("<h1>")]
    assert "&lt;b&gt;Acme&lt;/b&gt; was deleted. You can still keep it." in notices
    assert 'action="/admin/tenant/restore/"' in notices
    assert "Undo" in notices
    # It is said once; the other way back stays.
    page = panel.details(tenant_id)
    assert "Undo" not in page and "Keep tenant" in page
    panel.send("/admin/tenant/restore/", tenant_id=tenant_id)
    assert panel.tenant(tenant_id).deleted_at is None


def test_viewers_see_everything_and_no_button_that_changes_anything(
    viewer: OpenPanel,
) -> None:
    page = viewer.details(viewer.add_failed())
    for word in (">Rename", ">Delete", ">Retry", ">Undo"):
        assert word not in page, word
    assert "Will a retry help?" in page and "data-copies=" in page


def test_an_imported_tenant_is_told_how_to_get_its_partition(panel: OpenPanel) -> None:
    panel.store(imported(7))
    page = panel.details(7)
    assert "flask partitions backfill --tenant-id 7" in page
    assert "Nothing has happened yet." in page
    assert 'id="routing"' not in page


@pytest.mark.parametrize("more", ["", "&before=100"])
def test_few_questions_are_asked_when_there_is_everything_to_tell(
    panel: OpenPanel, more: str
) -> None:
    tenant_id = panel.add_tenant()
    add_events(panel, tenant_id, 150)
    panel.services.tenants.delete(tenant_id, actor=current.command_line())
    add_events(panel, tenant_id, 80, generation=2)
    panel.change(tenant_id, operation_id=1)
    panel.observe()
    panel.details(tenant_id)
    with panel.counted() as statements:
        panel.details(tenant_id, more)
    asked = [statement for statement in statements if statement.startswith("SELECT")]
    assert len(asked) <= MOST_QUERIES, asked


def test_repeats_are_counted_and_what_was_pruned_is_told_at_the_end(panel: OpenPanel) -> None:
    tenant_id = panel.add_failed()
    since, until = utc_now() - timedelta(days=2), utc_now() - timedelta(days=200)
    add_events(panel, tenant_id, 60, event=events.CREATE_FAILED, first_at=since)
    panel.execute(update(PartitionEvent).where(PartitionEvent.first_at == since).values(count=1500))
    pruned = {"tenant_id": tenant_id, "entries": 1234, "until": until, "pruned_at": utc_now()}
    panel.execute(insert(PrunedTimeline).values(pruned))
    page = panel.details(tenant_id)
    assert re.search(r"1,500 times since <time [^>]*>", page)
    assert "were pruned" not in page
    older = re.search(r'href="([^"]*before=[^"]*)"', page)
    assert older
    last = panel.page(older[1].replace("&amp;", "&"))
    assert re.search(r"pruned on <time [^<]*</time>: 1,234 of them, up to <time ", last)
