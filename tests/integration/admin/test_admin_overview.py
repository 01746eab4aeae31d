"""The overview: what it says of each condition, and what it asks the database for that."""

import re
from datetime import timedelta

import pytest

from tests.crowd import Crowd, seed
from tests.factories import ACTOR
from tests.integration.admin.panel import OpenPanel
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Circuit, Heartbeat, Leadership
from webapp.models.observed import CollectionSize
from webapp.models.operation import Operation, OperationKind
from webapp.models.states import PartitionState
from webapp.models.statistics import Activity, Resolution

PAGE = "/admin/"


def has_role(page: str, part: str, role: str) -> bool:
    """Whether the page shows this part with this role."""
    return f'id="sign-{part}" data-role="{role}"' in page


def verdict_of(page: str) -> tuple[str, str]:
    found = re.search(r'class="verdict (\w+)-role" id="verdict">(.*?)</p>', page, re.S)
    assert found, page
    return found[1], re.sub(r"<[^>]+>", "", found[2]).strip()


def alive(panel: OpenPanel, seconds_ago: float = 1) -> None:
    at = utc_now() - timedelta(seconds=seconds_ago)
    panel.store(*(Heartbeat(name=name, at=at) for name in ("due", "activity")))
    panel.store(Leadership(name="sweep", finished_at=at))


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
    assert has_role(page, "database", "success") and has_role(page, "redis", "success")
    for part in ("due", "sweep", "milvus"):
        assert has_role(page, part, "warning")
    assert has_role(page, "workers", "danger")
    alive(panel)
    panel.observe()
    page = panel.page(PAGE)
    assert all(has_role(page, part, "success") for part in ("due", "sweep", "milvus"))


@pytest.mark.parametrize(
    ("minutes", "due", "sweep"), [(0.5, "warning", "success"), (20, "danger", "warning")]
)
def test_health_is_not_green_when_signs_of_life_are_old(
    panel: OpenPanel, minutes: float, due: str, sweep: str
) -> None:
    panel.add_tenant()
    alive(panel, minutes * 60)
    panel.observe(observed_at=utc_now() - timedelta(minutes=20))
    page = panel.page(PAGE)
    assert has_role(page, "due", due) and has_role(page, "sweep", sweep)
    assert has_role(page, "milvus", "warning")
    assert ('id="need-reconciler"' in page) == (due == "danger")


def test_milvus_is_red_when_it_did_not_answer_or_the_circuit_is_open(panel: OpenPanel) -> None:
    panel.observe(cause=Cause.TIMEOUT)
    assert has_role(panel.page(PAGE), "milvus", "danger")
    panel.observe(cause=None)
    since = utc_now() - timedelta(minutes=9)
    panel.add_failed("A", Cause.MILVUS_UNREACHABLE)
    panel.store(Circuit(name="milvus", opened_at=since, cause=Cause.MILVUS_UNREACHABLE))
    page = panel.page(PAGE)
    assert has_role(page, "milvus", "danger")
    # The last try in vain is newer than the outage.
    assert f"Milvus unreachable, since {since:%H:%M:%S} UTC" in verdict_of(page)[1]


def test_the_verdict_says_what_most_of_the_trouble_has_in_common(panel: OpenPanel) -> None:
    for name in ("A", "B"):
        panel.add_failed(name, Cause.CAPACITY)
    panel.add_failed("C", Cause.AUTH)
    role, said = verdict_of(panel.page(PAGE))
    assert role == "danger"
    assert said.startswith("3 of 3 tenants are not ready; 2 share one cause: Collection full")


def test_the_verdict_says_who_waits_when_nobody_works(panel: OpenPanel) -> None:
    panel.add_tenant()
    page = panel.page(PAGE)
    assert verdict_of(page) == ("danger", "No workers are running; 1 tenant waits.")
    assert 'id="need-workers"' in page


def test_a_pause_is_said_with_who_paused_and_since_when(panel: OpenPanel) -> None:
    panel.add_tenant()
    panel.services.pauses.pause("<b>maintenance</b>", actor=ACTOR)
    page = panel.page(PAGE)
    role, said = verdict_of(page)
    assert role == "warning"
    assert said.startswith("Provisioning is paused since ")
    assert said.endswith(f"by {ACTOR.name.removeprefix('user:')}; 1 tenant waits.")
    assert 'id="need-paused"' in page


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
    assert ('id="need-room-kb_chunks_v1"' in page) == (role != "success")
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
    alive(panel)
    assert "Nothing was counted yet" not in panel.page(PAGE)


@pytest.mark.parametrize(("span", "resolution"), [("1h", "minute"), ("24h", "quarter")])
def test_charts_draw_the_span_that_was_asked_for(
    panel: OpenPanel, span: str, resolution: str
) -> None:
    panel.add_tenant()
    alive(panel)
    at = utc_now().replace(minute=utc_now().minute // 15 * 15, second=0, microsecond=0)
    values = {"signups": 1234, "ready": 7, "failed": 3, "durations": '{"14": 7}'}
    panel.store(Activity(resolution=Resolution(resolution), at=at, **values))
    page = panel.page(f"/admin/?span={span}")
    assert "1,234 sign-ups" in page
    assert page.count('<rect class="bar') == 2
    assert "Half were ready within 1.1 s" in page
    assert f'hx-get="/admin/live/?span={span}"' in page
    assert f'href="/admin/?span={span}" aria-current="true"' in page
    assert ("3 past hour, all mended" in page) == (span == "1h")
    other = "7d" if span == "24h" else "24h"
    assert "1,234" not in panel.page(f"/admin/?span={other}")


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
    assert 'id="need-operation"' in panel.page(PAGE)


def test_nothing_waits_for_a_human_when_all_is_well(panel: OpenPanel) -> None:
    alive(panel)
    panel.observe()
    panel.change(panel.add_tenant(), state=PartitionState.READY)
    panel.job_queue.queue.empty()
    assert "Nothing. All goes on by itself." in panel.page(PAGE)


def test_no_table_that_grows_is_read_through_by_our_own_questions(panel: OpenPanel) -> None:
    seed(panel.engine, Crowd(tenants=2_000, failed=50))
    with panel.counted() as seen:
        assert panel.get(PAGE).status_code == 200
    ours = [line for line in seen if "partition_event" in line or "state_since" in line]
    assert ours
    for line in ours:
        steps = panel.plan(line, ("x",) * line.count("?"))
        read = [s for s in steps if re.match(r"SCAN (partition_event|tenant|partition)\b", s)]
        # The families and counts read the index of failures alone.
        assert [step for step in read if "USING COVERING INDEX" not in step] == [], line
