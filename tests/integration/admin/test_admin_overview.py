"""The overview: what it says of each condition, and what it asks the database for that."""

import re
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from tests.crowd import Crowd, seed
from tests.factories import ACTOR
from tests.integration.admin.panel import OpenPanel
from webapp.conditions.log import ConditionLog
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Circuit
from webapp.models.observed import CollectionSize
from webapp.models.operation import Operation, OperationKind
from webapp.models.states import PartitionState
from webapp.models.statistics import Activity, Resolution

PAGE = "/admin/"


def has_role(page: str, part: str, role: str) -> bool:
    """Whether the page shows this part with this role."""
    return f'id="sign-{part}" data-role="{role}"' in page


def headline_of(page: str) -> tuple[str, str]:
    found = re.search(r'class="verdict (\w+)-role" id="verdict">(.*?)</p>', page, re.S)
    assert found, page
    return found[1], re.sub(r"<[^>]+>", "", found[2]).strip()


def test_an_empty_panel_says_what_to_do_first(panel: OpenPanel) -> None:
    page = panel.page(PAGE)
    assert 'id="empty"' in page
    assert 'href="/admin/tenant/new/"' in page
    assert "Import a CSV" in page
    assert ".venv/bin/flask tokens create" in page
    assert "curl http://localhost/api/tenants" in page
    assert 'id="verdict"' not in page
    assert 'id="health"' in page


def test_a_viewer_of_an_empty_panel_is_offered_nothing_to_change(viewer: OpenPanel) -> None:
    page = viewer.page(PAGE)
    assert 'id="empty"' in page
    assert "/admin/tenant/new/" not in page


def test_health_is_green_only_where_it_is_fresh(panel: OpenPanel) -> None:
    page = panel.page(PAGE)
    assert has_role(page, "database", "success")
    for part in ("reconciler", "milvus", "workers"):
        assert not has_role(page, part, "success")
    panel.alive()
    panel.observe()
    page = panel.page(PAGE)
    parts = ("database", "redis", "workers", "reconciler", "milvus")
    assert all(has_role(page, part, "success") for part in parts)


def test_health_is_not_green_when_signs_of_life_are_old(panel: OpenPanel) -> None:
    panel.add_tenant()
    panel.alive(40)
    panel.observe(observed_at=utc_now() - timedelta(minutes=20))
    page = panel.page(PAGE)
    assert has_role(page, "workers", "danger") and has_role(page, "reconciler", "danger")
    assert has_role(page, "milvus", "warning")
    for key in ("no_workers", "no_reconciler", "milvus_unobserved"):
        assert f'id="condition-{key}"' in page


def test_health_is_unknown_where_no_process_can_store_its_sign_of_life(panel: OpenPanel) -> None:
    panel.alive(20)
    panel.observe(observed_at=utc_now() - timedelta(minutes=20))
    known = panel.app.extensions
    log = ConditionLog(known["database"], known["settings"], known["schema"])
    log.note_failure(OperationalError("INSERT", {}, Exception("locked")))
    known["condition_log"] = log
    page = panel.page(PAGE)
    assert all(has_role(page, part, "info") for part in ("workers", "reconciler", "milvus"))
    assert 'id="condition-' not in page


def test_milvus_is_red_when_it_did_not_answer_or_the_circuit_is_open(panel: OpenPanel) -> None:
    panel.alive()
    panel.observe(cause=Cause.TIMEOUT)
    assert has_role(panel.page(PAGE), "milvus", "danger")
    panel.observe(cause=None)
    since = utc_now() - timedelta(minutes=9)
    panel.change(panel.add_failed("A", Cause.MILVUS_UNREACHABLE), waiting_since=since)
    panel.store(Circuit(name="milvus", opened_at=since, cause=Cause.MILVUS_UNREACHABLE))
    page = panel.page(PAGE)
    assert has_role(page, "milvus", "danger")
    said = "Milvus does not answer (Milvus unreachable)."
    assert headline_of(page) == ("danger", said)
    # The last attempt without an answer is newer than the wait.
    failed = page.partition('id="condition-tenants_failed"')[2].partition("</li>")[0]
    assert since.isoformat(timespec="milliseconds") in failed


def test_the_headline_says_what_most_of_the_failures_have_in_common(panel: OpenPanel) -> None:
    panel.alive()
    panel.observe()
    for name in ("A", "B"):
        panel.add_failed(name, Cause.CAPACITY)
    panel.add_failed("C", Cause.AUTH)
    said = "3 of 3 tenants failed, most of them for: Collection full."
    assert headline_of(panel.page(PAGE)) == ("danger", said)


def test_the_headline_says_how_many_wait_when_no_worker_works(panel: OpenPanel) -> None:
    panel.add_tenant()
    page = panel.page(PAGE)
    assert headline_of(page) == ("danger", "No worker works; 1 tenant waits.")
    assert 'id="condition-no_workers"' in page


def test_a_pause_is_said_with_who_paused_and_since_when(panel: OpenPanel) -> None:
    panel.alive()
    panel.observe()
    panel.add_tenant()
    paused = panel.services.pauses.pause("<b>maintenance</b>", actor=ACTOR)
    page = panel.page(PAGE)
    by, at = ACTOR.name.removeprefix("user:"), f"{paused.since:%H:%M:%S} UTC"
    said = f"Provisioning is paused since {at} by {by} (&lt;b&gt;maintenance&lt;/b&gt;)"
    assert headline_of(page) == ("warning", f"{said}; 1 tenant waits.")
    assert 'id="condition-provisioning_paused"' in page
    assert '<span class="count warning">Paused</span>' in page


@pytest.mark.parametrize(
    ("used", "role"), [(700, "success"), (830, "warning"), (980, "danger"), (1024, "danger")]
)
def test_room_is_said_with_the_day_it_ends(panel: OpenPanel, used: int, role: str) -> None:
    panel.add_tenant()
    panel.observe(partitions=used)
    then = utc_now() - timedelta(days=20)
    size = {"collection": "kb_chunks_v1", "day": then.date(), "observed_at": then}
    panel.store(CollectionSize(partitions=used - 40, **size))
    page = panel.page(PAGE)
    kind = "full" if used == 1024 else "filling"
    condition = f'<li class="{role}" id="condition-collection_{kind}-kb_chunks_v1">'
    assert (condition in page) == (role != "success")
    left = (1024 - used) / 2
    if left:
        assert f"{utc_now().date() + timedelta(days=left):%Y-%m-%d}" in page
    is_full = used == 1024
    for sentence in ("There is no place left.", "set MILVUS_COLLECTION to its name"):
        assert (sentence in page) == is_full
    assert ("nearly full" in page) == (used == 980)


def test_room_is_unknown_when_there_is_no_history(panel: OpenPanel) -> None:
    panel.add_tenant()
    assert "How full it is, is not known" in panel.page(PAGE)
    panel.observe(partitions=700)
    assert "that takes a day of history" in panel.page(PAGE)


def test_charts_say_so_when_nothing_happened_or_nobody_counts(panel: OpenPanel) -> None:
    panel.add_tenant()
    page = panel.page(PAGE)
    assert "No tenant signed up in this time." in page
    assert "No tenant became ready in this time" in page
    assert "Nothing was counted yet" in page
    panel.alive()
    assert "Nothing was counted yet" not in panel.page(PAGE)


@pytest.mark.parametrize(("span", "resolution"), [("1h", "minute"), ("24h", "quarter")])
def test_charts_draw_the_span_that_was_asked_for(
    panel: OpenPanel, span: str, resolution: str
) -> None:
    panel.add_tenant()
    panel.alive()
    at = utc_now().replace(minute=utc_now().minute // 15 * 15, second=0, microsecond=0)
    values = {"signups": 1234, "ready": 7, "failed": 3, "durations": '{"14": 7}'}
    panel.store(Activity(resolution=Resolution(resolution), at=at, **values))
    page = panel.page(f"/admin/?span={span}")
    assert "1,234 sign-ups" in page
    assert page.count('<rect class="bar') == 2
    assert "Half were ready within 1.1 s" in page
    assert f'hx-get="/admin/live/?span={span}"' in page
    assert f'href="/admin/?span={span}" aria-current="true"' in page
    assert ("3 past hour, none waits now" in page) == (span == "1h")
    other = "7d" if span == "24h" else "24h"
    assert "1,234" not in panel.page(f"/admin/?span={other}")


def test_who_failed_and_was_retried_is_told_until_it_is_ready(panel: OpenPanel) -> None:
    failed = [panel.add_failed(name) for name in "ABC"]
    at = utc_now().replace(second=0, microsecond=0)
    counts = {"signups": 3, "ready": 0, "failed": 3, "durations": "{}"}
    panel.store(Activity(resolution=Resolution.MINUTE, at=at, **counts))
    panel.change(failed[0], waiting_since=utc_now() - timedelta(minutes=9, seconds=30))
    assert re.search(r"\+3 past hour, longest wait <time [^>]*>9 min<", panel.page(PAGE))
    panel.send("/admin/partitions/retry/", cause="timeout")
    page = panel.page(PAGE)
    assert "3 are tried again, and not ready" in page
    assert re.search(r"longest <time [^>]*>9 min<", page)
    is_ready = {"state": PartitionState.READY, "waiting_since": None}
    for tenant_id in failed[:2]:
        panel.change(tenant_id, **is_ready)
    assert "1 is tried again, and not ready" in panel.page(PAGE)
    panel.change(failed[2], **is_ready)
    assert "3 past hour, none waits now" in panel.page(PAGE)


def test_pages_open_while_an_older_version_writes_too(panel: OpenPanel) -> None:
    for name in "AB":
        panel.change(panel.add_failed(name), waiting_since=None, last_requested_at=None)
    addresses = (PAGE, "/admin/partitions/", "/admin/partitions/?tab=all", "/admin/tenant/")
    for address in (*addresses, "/admin/tenant/?state=failed", "/admin/tenant/details/?id=1"):
        assert panel.get(address).status_code == 200, address


def test_an_unknown_span_is_a_day(panel: OpenPanel) -> None:
    panel.add_tenant()
    page = panel.page("/admin/?span=<script>")
    assert 'href="/admin/?span=24h" aria-current="true"' in page
    assert "<script>" not in page.partition("</head>")[2]


def test_an_operation_that_does_not_end_waits_for_a_human(panel: OpenPanel) -> None:
    panel.add_tenant()
    since = utc_now() - timedelta(hours=1)
    values = {"kind": OperationKind.RETRY, "actor": "me", "via": ACTOR.via, "selection": "{}"}
    panel.store(Operation(asked_at=since, **values))
    assert 'id="condition-operation_unfinished"' in panel.page(PAGE)


def test_nothing_waits_for_a_human_when_all_is_well(panel: OpenPanel) -> None:
    panel.alive()
    panel.observe()
    panel.change(panel.add_tenant(), state=PartitionState.READY)
    panel.job_queue.queue.empty()
    page = panel.page(PAGE)
    assert "Nothing. All is as it should be." in page
    assert headline_of(page) == ("success", "The one tenant is ready.")


def test_no_table_that_grows_is_read_through_by_our_own_questions(panel: OpenPanel) -> None:
    seed(panel.engine, Crowd(tenants=2_000, failed=50))
    with panel.counted() as seen:
        assert panel.get(PAGE).status_code == 200
    columns = ("partition_event", "state_since", "waiting_since", "last_requested_at")
    # The summary counts all tenants, without reading them.
    others = [line for line in seen if "FROM tenant) AS" not in line]
    ours = [line for line in others if any(column in line for column in columns)]
    assert ours
    for line in ours:
        steps = panel.plan(line, ("x",) * line.count("?"))
        read = [s for s in steps if re.match(r"SCAN (partition_event|tenant|partition)\b", s)]
        # The families and counts read the index of failures alone.
        assert [step for step in read if "USING COVERING INDEX" not in step] == [], line
