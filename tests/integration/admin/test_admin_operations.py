"""Operations in the panel: the question before, the progress, the result, and all of them."""

from tests.integration.admin.panel import OpenPanel
from webapp.http.shared_reads import SharedReads
from webapp.models.causes import Cause
from webapp.models.states import PartitionState

PENDING, FAILED = PartitionState.PENDING, PartitionState.FAILED
REVIEW, START = "/admin/operations/review/", "/admin/operations/start/"
SHOW, LIVE = "/admin/operations/show/?id=1", "/admin/operations/live/?id=1"


def test_the_list_says_what_it_will_show_when_nothing_was_asked_for(panel: OpenPanel) -> None:
    page = panel.page("/admin/operations/")
    assert "No operations yet" in page
    assert panel.get(SHOW).status_code == 404


def test_the_progress_of_a_retry_is_shown_until_its_result_is_known(panel: OpenPanel) -> None:
    ready, again = panel.add_failed("A"), panel.add_failed("B")
    waiting = panel.add_tenant("C")
    token = panel.csrf_token("/logout")
    ids = [ready, again, waiting]
    form = {"csrf_token": token, "kind": "retry", "scope": "selected", "id": ids}
    answer = panel.post(START, form)
    assert answer.location == "/admin/operations/show/?id=1"
    assert "0 of 2 finished: 0 ready, 0 failed again, 2 waiting." in panel.page(SHOW)
    panel.change(ready, state=PartitionState.READY, cause=None)
    panel.change(again, state=FAILED, cause=Cause.CAPACITY)
    panel.services.operations.settle()
    page = panel.page(SHOW)
    assert "2 of 2 finished: 1 ready, 1 failed again." in page
    assert "1 waits already" in page
    assert "done, some failed again" in page
    assert "operation=1&amp;state=failed" in page
    assert "Collection full" in page
    listed = panel.page("/admin/partitions/?operation=1&state=failed")
    assert (">B<" in listed, ">A<" in listed, ">C<" in listed) == (True, False, False)


def test_the_lack_of_a_reconciler_is_told_until_the_result_is_known(panel: OpenPanel) -> None:
    failed = panel.add_failed()
    panel.send(START, kind="retry", scope="selected", id=failed)
    page = panel.page(SHOW)
    assert 'id="no-reconciler"' in page
    assert "goes on by itself" not in page
    panel.alive()
    page = panel.page(SHOW)
    assert 'id="no-reconciler"' not in page
    assert "goes on by itself" in page
    panel.alive(40)
    assert 'id="no-reconciler"' in panel.page(SHOW)
    panel.change(failed, state=PartitionState.READY, cause=None)
    panel.services.operations.settle()
    assert 'id="no-reconciler"' not in panel.page(SHOW)


def test_all_that_match_are_meant_when_the_filter_is_sent(panel: OpenPanel) -> None:
    one, other = panel.add_failed("Acme one"), panel.add_failed("Other")
    question = panel.page(f"{REVIEW}?kind=retry&matching=1&scope=selected&search=acme")
    assert "1 will be queued." in question
    fields = {"kind": "retry", "scope": "matching", "state": "failed", "search": "acme"}
    assert panel.send(START, **fields) == 302
    assert (panel.state(one), panel.state(other)) == (PENDING, FAILED)


def test_many_are_deleted_only_when_their_number_was_typed(panel: OpenPanel) -> None:
    numbers = [panel.add_tenant(f"Acme {n}") for n in range(3)]
    other = panel.add_tenant("Other")
    fields = {"kind": "delete", "scope": "matching", "search": "acme"}
    question = panel.page(f"{REVIEW}?kind=delete&matching=1&search=acme")
    assert "3 tenants will be deleted." in question
    assert 'data-must-be="3"' in question
    assert panel.send(START, **fields) == 400
    assert panel.send(START, **fields, typed="2") == 422
    assert panel.tenant(numbers[0]).deleted_at is None
    assert panel.send(START, **fields, typed="3") == 302
    assert all(panel.tenant(number).deleted_at for number in numbers)
    assert panel.tenant(other).deleted_at is None
    page = panel.page(SHOW)
    assert "3 of 3 deleted: 3 to be dropped, 0 gone." in page
    assert "Keep 3 after all…" in page
    kept = {"kind": "restore", "scope": "matching", "state": "removing", "operation": "1"}
    assert panel.send(START, **kept) == 302
    assert not any(panel.tenant(number).deleted_at for number in numbers)


def test_what_is_split_by_cause_is_one_operation_for_each_that_was_ticked(panel: OpenPanel) -> None:
    for cause in (Cause.TIMEOUT, Cause.AUTH, Cause.FOREIGN_DATA):
        panel.add_failed(cause, cause)
    token = panel.csrf_token("/logout")
    form = {"csrf_token": token, "kind": "retry", "scope": "causes", "causes": ["timeout", "auth"]}
    assert panel.post(START, form).location == "/admin/operations/"
    page = panel.page("/admin/operations/")
    assert ("No answer in time" in page, "Credentials refused" in page) == (True, True)
    assert [panel.state(number) for number in (1, 2, 3)] == [PENDING, PENDING, FAILED]


def test_nobody_is_meant_when_a_form_or_an_address_leaves_out_who(panel: OpenPanel) -> None:
    number = panel.add_failed()
    for kind in ("retry", "delete", "restore", "request"):
        assert panel.send(START, kind=kind, typed="1") == 400
    assert panel.get(f"{REVIEW}?kind=delete").status_code == 404
    assert panel.get(f"{REVIEW}?kind=nonsense&scope=matching").status_code == 404
    assert "No tenant was selected." in panel.page(f"{REVIEW}?kind=delete&scope=selected")
    assert panel.send(START, kind="retry", scope="causes") == 302
    assert panel.state(number) == FAILED


def test_only_what_applies_is_offered_when_the_list_is_filtered(panel: OpenPanel) -> None:
    panel.add_failed("A")
    panel.add_tenant("B")
    offered = {
        "tab=all": {"retry", "delete"},
        "state=failed": {"retry", "delete"},
        "state=pending": {"delete"},
        "state=none": set[str](),
        "state=removing": set[str](),
    }
    for address, kinds in offered.items():
        page = panel.page(f"/admin/partitions/?{address}")
        assert {k for k in ("retry", "request", "delete", "restore") if f'bulk-{k}"' in page} == (
            kinds
        ), address


def test_viewers_see_operations_and_no_button_when_they_look(
    panel: OpenPanel, viewer: OpenPanel
) -> None:
    panel.add_failed("A")
    panel.send(START, kind="retry", cause="timeout")
    panel.change(1, state=FAILED, cause=Cause.TIMEOUT)
    panel.services.operations.settle()
    for address in (SHOW, LIVE, "/admin/operations/", "/admin/operations/list/live/"):
        answer = viewer.get(address)
        assert answer.status_code == 200
        assert "/review/" not in answer.text
    page = viewer.page("/admin/partitions/?tab=all")
    assert ("data-pick" in page, 'id="bulk"' in page) == (False, False)
    assert viewer.get(f"{REVIEW}?kind=retry&cause=timeout").status_code == 403
    assert viewer.send(START, kind="retry", cause="timeout") == 403


def test_no_room_is_said_where_there_is_none_when_partitions_are_asked_for(
    panel: OpenPanel,
) -> None:
    for name in "ABC":
        panel.add_failed(name)
    address = f"{REVIEW}?kind=retry&scope=matching&state=failed"
    limit = panel.app.extensions["settings"].milvus_max_partitions
    for used, said in ((limit - 1, "room for all but 2 of them"), (limit, "no room for any")):
        panel.observe(partitions=used)
        panel.app.extensions["shared_reads"] = SharedReads()
        assert said in panel.page(address)
