"""The drift tab and the isolation's check: honest in words, whatever was found or not found."""

import re
from datetime import timedelta
from typing import Any

from apiflask import APIFlask

from jobs.drift.compare import NO_NUMBER, NOBODYS, OUT_OF_REACH
from tests.integration.admin.panel import COLLECTION, MOST_QUERIES, OpenPanel
from webapp.admin.wording.reports import reported
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Circuit
from webapp.models.observed import ObservedCollection, PartitionDrift
from webapp.models.states import CanaryOutcome, DriftKind, PartitionState
from webapp.partitions.isolation_checks import is_check_due

TAB = "/admin/partitions/?tab=drift"
AGREE = "Database and Milvus agree"


def drift(kind: DriftKind, number: int, **values: Any) -> PartitionDrift:
    entry = {"collection": COLLECTION, "partition": f"tenant_{number}", "number": number}
    return PartitionDrift(kind=kind, **entry | values)


def test_the_tab_is_green_only_when_a_fresh_comparison_found_nothing(panel: OpenPanel) -> None:
    assert "Not compared yet" in panel.page(TAB)
    panel.observe(compared_at=None, cause=Cause.MILVUS_UNREACHABLE)
    page = panel.page(TAB)
    assert "Not compared yet" in page and "Milvus unreachable" in page
    assert AGREE not in page
    panel.observe(compared_at=utc_now() - timedelta(minutes=12), cause=None)
    page = panel.page(TAB)
    assert "Last compared 12 min ago" in page
    assert AGREE not in page
    panel.observe()
    page = panel.page(TAB)
    assert f"{AGREE}, compared " in page
    assert "7 partitions" in page


def test_the_tab_is_not_green_when_another_collection_of_ours_was_not_compared(
    panel: OpenPanel,
) -> None:
    panel.observe()
    panel.store(ObservedCollection(collection="older", observed_at=utc_now()))
    assert AGREE in panel.page(TAB)  # Nothing of ours is in it.
    panel.change(panel.add_tenant(), collection="older")
    assert "Not compared yet" in panel.page(TAB)


def test_each_finding_is_shown_with_what_to_do_when_there_is_drift(panel: OpenPanel) -> None:
    panel.observe()
    long_ago = utc_now() - timedelta(days=2)
    missing, stuck, adopted = (panel.add_tenant(name) for name in "ABC")
    panel.store(drift(DriftKind.ORPHAN, 4711, rows=1204, note="<b>nobody's</b>"))
    panel.store(drift(DriftKind.RESURRECTED, 88))
    panel.store(drift(DriftKind.ACKNOWLEDGED, 99), drift(DriftKind.OTHER, 0))
    panel.change(missing, rows_lost_at=utc_now())
    panel.change(stuck, waiting_since=long_ago, last_requested_at=long_ago)
    panel.change(adopted, state=PartitionState.READY, adopted_rows=5)
    with panel.counted() as statements:
        page = panel.page(TAB)
    assert "do not agree: 1 orphan, 1 stuck, 1 missing, 1 resurrected." in page
    assert "no tenant has 4711" in page
    assert "1,204" in page
    assert "<b>nobody" not in page
    assert f"tenant {missing}</a>" in page
    assert "flask partitions verify --repair" in page
    for kind in DriftKind:
        assert f'id="kind-{kind}"' in page
    assert len([each for each in statements if each.startswith("SELECT")]) <= MOST_QUERIES
    assert '<span class="count warning">4</span>' in panel.page("/admin/")


def test_a_check_is_asked_for_when_the_button_is_pressed(panel: OpenPanel) -> None:
    panel.observe()
    assert "Asked for at" not in panel.page(TAB)
    assert panel.send("/admin/partitions/isolation/") == 302
    page = panel.page(TAB)
    assert "Asked for at" in page
    assert "Check isolation now" not in page
    assert is_check_due(panel.services.database, COLLECTION)


def test_the_button_says_so_when_nobody_ever_looked_at_milvus(panel: OpenPanel) -> None:
    panel.send("/admin/partitions/isolation/")
    assert "Does the reconciler run?" in panel.page(TAB)


def test_a_failed_check_stands_on_every_page_that_is_looked_at_first(viewer: OpenPanel) -> None:
    viewer.add_tenant()
    message = "a query in <b>paratia_probe_1</b> found 3 rows of another partition"
    viewer.observe(canary_outcome=CanaryOutcome.FAILED, canary_message=message)
    for address in (TAB, "/admin/"):
        page = viewer.page(address)
        assert "found 3 rows of another partition" in page
        assert "<b>paratia" not in page
        assert "Check isolation now" not in page


def test_the_overview_names_what_waits_for_a_human_and_leads_there(panel: OpenPanel) -> None:
    panel.observe()
    panel.add_failed("A", Cause.FOREIGN_DATA)
    panel.store(drift(DriftKind.ORPHAN, 4711))
    leaving = panel.add_tenant("B")
    panel.send("/admin/tenant/delete/", id=leaving)
    panel.change(leaving, cause=Cause.TIMEOUT, error="no answer within 10 s")
    panel.store(Circuit(name="milvus", opened_at=utc_now(), cause=Cause.TIMEOUT))
    page = panel.page("/admin/")
    for key in ("foreign_data", "partitions_orphaned", "milvus_down", "removals_blocked"):
        assert f'id="condition-{key}"' in page
    assert "state=failed&amp;cause=foreign_data" in page
    assert "tab=drift#kind-orphan" in page
    assert 'id="condition-comparison_stale"' not in page


def test_the_overview_is_not_green_when_nobody_looks_at_milvus_any_more(panel: OpenPanel) -> None:
    panel.alive()
    panel.change(panel.add_tenant(), state=PartitionState.READY)
    panel.observe(compared_at=utc_now() - timedelta(minutes=12))
    page = panel.page("/admin/live/")
    assert 'id="condition-comparison_stale"' in page
    assert '<p class="verdict warning-role"' in page


def test_tenant_is_proven_since_the_last_comparison_when_it_stayed_ready(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant("Acme")
    long_ago = utc_now() - timedelta(hours=3)
    ready = {"state": PartitionState.READY, "verified_at": long_ago, "state_since": long_ago}
    panel.change(tenant_id, **ready)
    page = panel.details(tenant_id)
    assert "There, proven" in page and "3 h ago" in page
    panel.observe(compared_at=utc_now() - timedelta(minutes=12))
    page = panel.details(tenant_id)
    assert re.search(r"proven\s*<[^>]*>12 min ago", page)


def test_the_tab_says_first_that_an_alias_was_moved(panel: OpenPanel) -> None:
    panel.observe(cause=Cause.COLLECTION_MOVED, moved_to="kb_chunks_v2")
    page = panel.page(TAB)
    assert "kb_chunks_v1 stands for another collection now (kb_chunks_v2)" in page
    assert "Alias moved" in page
    assert AGREE not in page


def test_a_check_is_told_by_its_meaning_and_never_by_a_code(panel: OpenPanel) -> None:
    found = "6 rows were found through their own partition only, by query and by search (a)"
    other = "somebody dropped a probe meanwhile"
    for outcome, message, said in (
        (CanaryOutcome.PASSED, f"{found} and search (b)", "by query and by search (a, b)."),
        (CanaryOutcome.NOT_RUN, "collection_missing: none", "made. <b>Collection missing:</b>"),
        (CanaryOutcome.NOT_RUN, other, f'could not be made. <q lang="en">{other}</q>'),
    ):
        panel.observe(canary_outcome=outcome, canary_message=message)
        page = panel.page(TAB)
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
