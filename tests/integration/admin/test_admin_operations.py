"""Operations in the panel: the question before, the progress, the result, and all of them."""

from datetime import timedelta

from apiflask import APIFlask
from sqlalchemy import update

from tests.access import Visitor, database_of
from tests.integration.admin.tenants import add_failed, add_tenant, send, state_of, tenant_of
from webapp import current
from webapp.admin.live.cache import SharedReads
from webapp.auth.roles import Role
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Heartbeat
from webapp.models.observed import ObservedCollection
from webapp.models.partition import Partition
from webapp.models.states import PartitionState

PENDING, FAILED = PartitionState.PENDING, PartitionState.FAILED
REVIEW, START = "/admin/operations/review/", "/admin/operations/start/"
SHOW, LIVE = "/admin/operations/show/?id=1", "/admin/operations/live/?id=1"


def put(app: APIFlask, tenant_id: int, state: PartitionState, cause: Cause | None = None) -> None:
    with database_of(app).transaction() as session:
        mine = update(Partition).where(Partition.tenant_id == tenant_id)
        session.execute(mine.values(state=state, cause=cause, state_since=utc_now()))


def beat(app: APIFlask, seconds_ago: float) -> None:
    """Let the due loop have shown that it works so long ago."""
    with database_of(app).transaction() as session:
        session.merge(Heartbeat(name="due", at=utc_now() - timedelta(seconds=seconds_ago)))


def settle(app: APIFlask) -> None:
    with app.app_context():
        current.services().operations.settle()


def test_the_list_says_what_it_will_show_when_nothing_was_asked_for(
    app: APIFlask, operator: Visitor
) -> None:
    page = operator.get("/admin/operations/").text
    assert "No operations yet" in page
    assert operator.get(SHOW).status_code == 404


def test_the_progress_of_a_retry_is_shown_until_its_result_is_known(
    app: APIFlask, operator: Visitor
) -> None:
    ready, again = add_failed(app, "A"), add_failed(app, "B")
    waiting = add_tenant(app, "C")
    token = operator.csrf_token("/admin/")
    ids = [ready, again, waiting]
    form = {"csrf_token": token, "kind": "retry", "scope": "selected", "id": ids}
    answer = operator.post(START, form)
    assert answer.location == "/admin/operations/show/?id=1"
    assert "0 of 2 finished: 0 ready, 0 failed again, 2 waiting." in operator.get(SHOW).text
    put(app, ready, PartitionState.READY)
    put(app, again, FAILED, Cause.CAPACITY)
    settle(app)
    page = operator.get(LIVE).text
    assert "2 of 2 finished: 1 ready, 1 failed again." in page
    assert "1 waits already" in page
    assert "done, some failed again" in page
    assert "operation=1&amp;state=failed" in page
    assert "Collection full" in page
    listed = operator.get("/admin/partitions/?operation=1&state=failed").text
    assert (">B<" in listed, ">A<" in listed, ">C<" in listed) == (True, False, False)


def test_the_lack_of_a_reconciler_is_told_until_the_result_is_known(
    app: APIFlask, operator: Visitor
) -> None:
    failed = add_failed(app)
    send(operator, START, kind="retry", scope="selected", id=str(failed))
    page = operator.get(SHOW).text
    assert "brings this to its end, was never seen" in page
    assert "goes on by itself" not in page
    beat(app, 90)
    assert "has been silent for 1 min" in operator.get(LIVE).text
    beat(app, 30)
    page = operator.get(LIVE).text
    assert "brings this to its end" not in page
    assert "goes on by itself" in page
    beat(app, 90)
    put(app, failed, PartitionState.READY)
    settle(app)
    assert "brings this to its end" not in operator.get(LIVE).text


def test_all_that_match_are_meant_when_the_filter_is_sent(app: APIFlask, operator: Visitor) -> None:
    one, other = add_failed(app, "Acme one"), add_failed(app, "Other")
    question = operator.get(f"{REVIEW}?kind=retry&matching=1&scope=selected&search=acme").text
    assert "1 will be queued." in question
    fields = {"kind": "retry", "scope": "matching", "state": "failed", "search": "acme"}
    assert send(operator, START, **fields) == 302
    assert (state_of(app, one), state_of(app, other)) == (PENDING, FAILED)


def test_many_are_deleted_only_when_their_number_was_typed(
    app: APIFlask, operator: Visitor
) -> None:
    numbers = [add_tenant(app, f"Acme {n}") for n in range(3)]
    other = add_tenant(app, "Other")
    fields = {"kind": "delete", "scope": "matching", "search": "acme"}
    question = operator.get(f"{REVIEW}?kind=delete&matching=1&search=acme").text
    assert "3 tenants will be deleted." in question
    assert 'data-must-be="3"' in question
    assert send(operator, START, **fields) == 400
    assert send(operator, START, **fields, typed="2") == 422
    assert tenant_of(app, numbers[0]).deleted_at is None
    assert send(operator, START, **fields, typed="3") == 302
    assert all(tenant_of(app, number).deleted_at for number in numbers)
    assert tenant_of(app, other).deleted_at is None
    page = operator.get(SHOW).text
    assert "3 of 3 deleted: 3 to be dropped, 0 gone." in page
    assert "Keep 3 after all…" in page
    kept = {"kind": "restore", "scope": "matching", "state": "removing", "operation": "1"}
    assert send(operator, START, **kept) == 302
    assert not any(tenant_of(app, number).deleted_at for number in numbers)


def test_what_is_split_by_cause_is_one_operation_for_each_that_was_ticked(
    app: APIFlask, operator: Visitor
) -> None:
    for cause in (Cause.TIMEOUT, Cause.AUTH, Cause.FOREIGN_DATA):
        add_failed(app, cause, cause)
    token = operator.csrf_token("/admin/")
    form = {"csrf_token": token, "kind": "retry", "scope": "causes", "causes": ["timeout", "auth"]}
    assert operator.post(START, form).location == "/admin/operations/"
    page = operator.get("/admin/operations/").text
    assert ("No answer in time" in page, "Credentials refused" in page) == (True, True)
    assert [state_of(app, number) for number in (1, 2, 3)] == [PENDING, PENDING, FAILED]


def test_nobody_is_meant_when_a_form_or_an_address_leaves_out_who(
    app: APIFlask, operator: Visitor
) -> None:
    number = add_failed(app)
    for kind in ("retry", "delete", "restore", "request"):
        assert send(operator, START, kind=kind, typed="1") == 400
    assert operator.get(f"{REVIEW}?kind=delete").status_code == 404
    assert operator.get(f"{REVIEW}?kind=nonsense&scope=matching").status_code == 404
    assert "No tenant was selected." in operator.get(f"{REVIEW}?kind=delete&scope=selected").text
    assert send(operator, START, kind="retry", scope="causes") == 302
    assert state_of(app, number) == FAILED


def test_only_what_applies_is_offered_when_the_list_is_filtered(
    app: APIFlask, operator: Visitor
) -> None:
    add_failed(app, "A")
    add_tenant(app, "B")
    offered = {
        "tab=all": {"retry", "delete"},
        "state=failed": {"retry", "delete"},
        "state=pending": {"delete"},
        "state=none": set[str](),
        "state=removing": set[str](),
    }
    for address, kinds in offered.items():
        page = operator.get(f"/admin/partitions/?{address}").text
        assert {k for k in ("retry", "request", "delete", "restore") if f'bulk-{k}"' in page} == (
            kinds
        ), address


def test_viewers_see_operations_and_no_button_when_they_look(
    app: APIFlask, operator: Visitor, as_role: object
) -> None:
    add_failed(app, "A")
    send(operator, START, kind="retry", cause="timeout")
    put(app, 1, FAILED, Cause.TIMEOUT)
    settle(app)
    viewer = as_role(Role.VIEWER)  # type: ignore[operator]
    for address in (SHOW, LIVE, "/admin/operations/", "/admin/operations/list/live/"):
        answer = viewer.get(address)
        assert answer.status_code == 200
        assert "/review/" not in answer.text
    page = viewer.get("/admin/partitions/?tab=all").text
    assert ("data-pick" in page, 'id="bulk"' in page) == (False, False)
    assert viewer.get(f"{REVIEW}?kind=retry&cause=timeout").status_code == 403
    assert send(viewer, START, kind="retry", cause="timeout") == 403


def test_no_room_is_said_where_there_is_none_when_partitions_are_asked_for(
    app: APIFlask, operator: Visitor
) -> None:
    for name in "ABC":
        add_failed(app, name)
    address = f"{REVIEW}?kind=retry&scope=matching&state=failed"
    limit = app.extensions["settings"].milvus_max_partitions
    for used, said in ((limit - 1, "room for all but 2 of them"), (limit, "no room for any")):
        with database_of(app).transaction() as session:
            seen = {"observed_at": utc_now(), "answered_at": utc_now(), "partitions": used}
            session.merge(ObservedCollection(collection="kb_chunks_v1", **seen))
        app.extensions["shared_reads"] = SharedReads()
        assert said in operator.get(address).text
