"""The drift tab and the isolation's check: honest in words, whatever was found or not found."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import update

from jobs.drift.compare import NO_NUMBER, NOBODYS, OUT_OF_REACH
from tests.access import Visitor, database_of
from tests.integration.admin.tenants import add_failed, add_tenant, send
from tests.integration.admin.test_admin_queries import MOST_QUERIES, counted
from webapp.admin.wording.reports import reported
from webapp.auth.roles import Role
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import SWEEP, Circuit, Leadership
from webapp.models.observed import ObservedCollection, PartitionDrift
from webapp.models.partition import Partition
from webapp.models.states import CanaryOutcome, DriftKind, PartitionState
from webapp.partitions.isolation_checks import is_check_due
from webapp.partitions.policy import CANARY_EVERY

TAB = "/admin/partitions/?tab=drift"
AGREE = "Database and Milvus agree"


def observed(app: APIFlask, **values: Any) -> None:
    """The collection in use, as a sweep just saw and compared it, but for these values."""
    now = utc_now()
    seen = {
        "observed_at": now,
        "answered_at": now,
        "compared_at": now,
        "partitions": 7,
        "latency_ms": 3,
        "canary_at": now,
        "canary_outcome": CanaryOutcome.PASSED,
        "canary_due_at": now + CANARY_EVERY,
    }
    with database_of(app).transaction() as session:
        session.merge(ObservedCollection(collection="kb_chunks_v1", **seen | values))


def add_drift(app: APIFlask, kind: DriftKind, number: int, **values: Any) -> None:
    entry = {"collection": "kb_chunks_v1", "partition": f"tenant_{number}", "number": number}
    with database_of(app).transaction() as session:
        session.add(PartitionDrift(kind=kind, **entry | values))


def change(app: APIFlask, tenant_id: int, **values: Any) -> None:
    with database_of(app).transaction() as session:
        session.execute(update(Partition).where(Partition.tenant_id == tenant_id).values(values))


def test_the_tab_says_that_nothing_is_known_when_nothing_was_compared(
    app: APIFlask, operator: Visitor
) -> None:
    page = operator.get(TAB).text
    assert "Not compared yet" in page
    observed(app, compared_at=None, cause=Cause.MILVUS_UNREACHABLE)
    page = operator.get(TAB).text
    assert "Not compared yet" in page
    assert "Milvus unreachable" in page
    assert AGREE not in page


def test_the_tab_is_green_when_a_fresh_comparison_found_nothing(
    app: APIFlask, operator: Visitor
) -> None:
    observed(app)
    page = operator.get(TAB).text
    assert f"{AGREE}, compared " in page
    assert "7 partitions" in page


def test_the_tab_is_not_green_when_the_comparison_is_old(app: APIFlask, operator: Visitor) -> None:
    observed(app, compared_at=utc_now() - timedelta(minutes=12))
    page = operator.get(TAB).text
    assert "Last compared 12 min ago" in page
    assert AGREE not in page


def test_the_tab_is_not_green_when_another_collection_of_ours_was_not_compared(
    app: APIFlask, operator: Visitor
) -> None:
    observed(app)
    with database_of(app).transaction() as session:
        session.add(ObservedCollection(collection="older", observed_at=utc_now()))
    assert AGREE in operator.get(TAB).text  # Nothing of ours is in it.
    change(app, add_tenant(app), collection="older")
    assert "Not compared yet" in operator.get(TAB).text


def test_each_finding_is_shown_with_what_to_do_when_there_is_drift(
    app: APIFlask, operator: Visitor
) -> None:
    observed(app)
    long_ago = utc_now() - timedelta(days=2)
    missing, stuck, adopted = (add_tenant(app, name) for name in "ABC")
    add_drift(app, DriftKind.ORPHAN, 4711, rows=1204, note="<b>nobody's</b>")
    add_drift(app, DriftKind.MISSING, missing)
    add_drift(app, DriftKind.RESURRECTED, 88)
    change(app, stuck, state_since=long_ago)
    change(app, adopted, state=PartitionState.READY, adopted_rows=5)
    with counted(app) as statements:
        page = operator.get(TAB).text
    assert "do not agree: 1 orphan, 1 stuck, 1 missing, 1 resurrected." in page
    assert "no tenant has 4711" in page
    assert "1,204" in page
    assert "<b>nobody" not in page
    assert f"tenant {missing}</a>" in page
    assert "flask partitions verify --repair" in page
    for kind in DriftKind:
        assert f'id="kind-{kind}"' in page
    assert len([each for each in statements if each.startswith("SELECT")]) <= MOST_QUERIES
    assert '<span class="count warning">4</span>' in operator.get("/admin/").text


def test_a_check_is_asked_for_when_the_button_is_pressed(app: APIFlask, operator: Visitor) -> None:
    observed(app)
    assert "Asked for at" not in operator.get(TAB).text
    assert send(operator, "/admin/partitions/isolation/") == 302
    page = operator.get(TAB).text
    assert "Asked for at" in page
    assert "Check isolation now" not in page
    with app.app_context():
        assert is_check_due(app.extensions["services"].database, "kb_chunks_v1")


def test_the_button_says_so_when_nobody_ever_looked_at_milvus(
    app: APIFlask, operator: Visitor
) -> None:
    send(operator, "/admin/partitions/isolation/")
    assert "Does the reconciler run?" in operator.get(TAB).text


def test_a_failed_check_stands_on_every_page_that_is_looked_at_first(
    app: APIFlask, as_role: Callable[[Role], Visitor]
) -> None:
    add_tenant(app)
    message = "a query in <b>paratia_probe_1</b> found 3 rows of another partition"
    observed(app, canary_outcome=CanaryOutcome.FAILED, canary_message=message)
    viewer = as_role(Role.VIEWER)
    for address in (TAB, "/admin/"):
        page = viewer.get(address).text
        assert "found 3 rows of another partition" in page
        assert "<b>paratia" not in page
        assert "Check isolation now" not in page


def test_the_overview_names_what_waits_for_a_human_and_leads_there(
    app: APIFlask, operator: Visitor
) -> None:
    observed(app)
    add_failed(app, "A", Cause.FOREIGN_DATA)
    add_drift(app, DriftKind.ORPHAN, 4711)
    leaving = add_tenant(app, "B")
    send(operator, "/admin/tenant/delete/", id=str(leaving))
    change(app, leaving, cause=Cause.TIMEOUT, error="no answer within 10 s")
    with database_of(app).transaction() as session:
        session.add(Circuit(name="milvus", opened_at=utc_now(), cause=Cause.TIMEOUT))
    page = operator.get("/admin/").text
    for need in ("foreign", "orphans", "circuit", "held-up"):
        assert f'id="need-{need}"' in page
    assert "state=failed&amp;cause=foreign_data" in page
    assert "tab=drift#kind-orphan" in page
    assert 'id="need-stale"' not in page


def test_the_overview_is_not_green_when_nobody_looks_at_milvus_any_more(
    app: APIFlask, operator: Visitor
) -> None:
    change(app, add_tenant(app), state=PartitionState.READY)
    observed(app, compared_at=utc_now() - timedelta(minutes=12))
    page = operator.get("/admin/live/").text
    assert 'id="need-stale"' in page
    assert '<p class="verdict warning-role"' in page


def test_tenant_is_proven_since_the_last_comparison_when_it_stayed_ready(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_tenant(app, "Acme")
    long_ago = utc_now() - timedelta(hours=3)
    ready = {"state": PartitionState.READY, "verified_at": long_ago, "state_since": long_ago}
    change(app, tenant_id, **ready)
    page = operator.get(f"/admin/tenant/details/?id={tenant_id}").text
    assert "There, proven" in page and "3 h ago" in page
    observed(app, compared_at=utc_now() - timedelta(minutes=12))
    page = operator.get(f"/admin/tenant/details/?id={tenant_id}").text
    assert re.search(r"proven\s*<[^>]*>12 min ago", page)


def test_the_tab_says_first_that_an_alias_was_moved(app: APIFlask, operator: Visitor) -> None:
    observed(app, cause=Cause.COLLECTION_MOVED, moved_to="kb_chunks_v2")
    page = operator.get(TAB).text
    assert "kb_chunks_v1 stands for another collection now (kb_chunks_v2)" in page
    assert "Alias moved" in page
    assert AGREE not in page


@pytest.mark.parametrize(
    ("outcome", "message", "said"),
    [
        (
            CanaryOutcome.PASSED,
            "6 rows were found through their own partition only, by query and by search (a) "
            "and search (b)",
            "by query and by search (a, b).",
        ),
        (
            CanaryOutcome.NOT_RUN,
            "collection_missing: can't find collection",
            "The last check could not be made. <b>Collection missing:</b>",
        ),
        (
            CanaryOutcome.NOT_RUN,
            "somebody dropped a probe meanwhile",
            'could not be made. <q lang="en">somebody dropped a probe meanwhile</q>',
        ),
    ],
)
def test_a_check_is_told_by_its_meaning_and_never_by_a_code(
    app: APIFlask, operator: Visitor, outcome: CanaryOutcome, message: str, said: str
) -> None:
    observed(app, canary_outcome=outcome, canary_message=message)
    page = operator.get(TAB).text
    assert said in page
    assert "ollection_missing" not in page


def test_each_note_of_drift_is_a_sentence_of_the_page(app: APIFlask) -> None:
    notes = (
        *(NOBODYS, OUT_OF_REACH, NO_NUMBER, "its tenant is deleted"),
        *("its tenant's partition is in kb", "it was removed, and is there again"),
        *("its tenant was removed, and it holds 1 rows", "was there before it was asked for"),
        "provisioning since 2026-03-09 08:00:00 UTC",
    )
    with app.test_request_context():
        assert [note for note in notes if "<q" in reported(note)] == []
        assert reported("<b>") == '<q lang="en">&lt;b&gt;</q>'


def test_the_reconciler_is_no_suspect_when_its_sweep_worked_lately(
    app: APIFlask, operator: Visitor
) -> None:
    add_tenant(app)
    observed(app, compared_at=None, cause=Cause.COLLECTION_MISSING)
    assert "never compared. Does the reconciler run?" in operator.get("/admin/").text
    with database_of(app).transaction() as session:
        session.merge(Leadership(name=SWEEP, finished_at=utc_now()))
    page = operator.get("/admin/").text
    assert "never compared. Does the reconciler run?" not in page
    assert "the sweep works, but Milvus says “Collection missing”." in page
