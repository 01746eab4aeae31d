"""The partitions page: filters, paging, retries of many, queues and workers."""

import re
from html import unescape
from pathlib import Path

import pytest
from apiflask import APIFlask
from webapp.models.causes import Cause
from webapp.models.states import PartitionState

from tests.access import Visitor, add_user, close, settings_in
from tests.integration.access.conftest import new_address
from tests.integration.admin.tenants import add_failed, add_tenant, send, state_of
from webapp import create_app
from webapp.auth.roles import Role

PENDING, FAILED = PartitionState.PENDING, PartitionState.FAILED


def test_only_what_is_asked_for_is_listed_when_filtered(app: APIFlask, operator: Visitor) -> None:
    add_tenant(app, "Alba")
    add_failed(app, "Borgo", Cause.TIMEOUT)
    add_failed(app, "Corte", Cause.AUTH)
    address = "/admin/partitions/?state=failed&cause=auth"
    page = operator.get(address).text
    assert "Corte" in page
    assert "Alba" not in page
    assert "Borgo" not in page
    assert "Corte" in operator.get(address.replace("/?", "/live/?")).text


def test_every_tenant_is_seen_once_when_paged_through(app: APIFlask, operator: Visitor) -> None:
    for number in range(60):
        add_tenant(app, f"Name {number:02}")
    first = operator.get("/admin/partitions/?tab=all").text
    second = operator.get(linked(first, "next")).text
    shown = [sum(f">Name {number:02}<" in page for page in (first, second)) for number in range(60)]
    assert shown == [1] * 60
    assert "1–50 of 60" in first
    assert "51–60 of 60" in second
    back = operator.get(linked(second, "prev")).text
    assert ">Name 00<" in back
    assert "1–50 of 60" in back


@pytest.mark.parametrize("rank", ["", "1-", "0-", "59-", "999999999-"])
def test_no_rank_is_said_when_the_address_tells_none_that_can_be(
    app: APIFlask, operator: Visitor, rank: str
) -> None:
    for number in range(3):
        add_tenant(app, f"Name {number}")
    page = operator.get(f"/admin/partitions/?tab=all&page={rank}after-1-Name+0").text
    assert "2 of 3</p>" in page


def linked(page: str, rel: str) -> str:
    """Where the page's link to the next or the previous one leads."""
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    assert found, page
    return unescape(found[1])


def test_failures_are_shown_first_when_nothing_else_is_asked_for(
    app: APIFlask, operator: Visitor
) -> None:
    add_tenant(app, "Alba")
    assert 'id="row-1"' in operator.get("/admin/partitions/").text
    add_failed(app, "Borgo")
    for address in ("/admin/partitions/", "/admin/partitions/live/"):
        assert 'id="family-timeout"' in operator.get(address).text
    for address in ("?tab=all", "?search=", "?state=ready", "live/?tab=all"):
        assert 'id="all"' in operator.get(f"/admin/partitions/{address}").text


def test_the_tab_and_the_filters_stay_when_the_page_refreshes_itself(
    app: APIFlask, operator: Visitor
) -> None:
    add_failed(app, "Borgo")
    page = operator.get("/admin/partitions/?search=Bor&operation=7").text
    assert 'hx-get="/admin/partitions/live/?tab=all&amp;search=Bor&amp;operation=7"' in page
    page = operator.get("/admin/partitions/?tab=all&state=failed&cause=timeout").text
    assert 'live/?tab=all&amp;state=failed&amp;cause=timeout"' in page


def test_a_cause_says_what_it_means_and_what_to_do_when_something_failed(
    app: APIFlask, operator: Visitor
) -> None:
    add_failed(app, "Acme", Cause.FOREIGN_DATA)
    page = operator.get("/admin/partitions/?tab=causes").text
    advice = Cause.FOREIGN_DATA.advice
    assert advice.meaning.replace("'", "&#39;") in page
    assert advice.remedy in page
    assert "error of Acme" in page


def test_those_who_failed_first_are_named_when_their_cause_is_shown(
    app: APIFlask, operator: Visitor
) -> None:
    numbers = [add_failed(app, f"Late {each}", Cause.TIMEOUT) for each in range(7)]
    add_failed(app, "Refused", Cause.AUTH)
    page = operator.get("/admin/partitions/").text
    assert [f">Late {each}</bdi></a>" in page for each in range(7)] == [True] * 5 + [False, True]
    assert f"tenant_{numbers[0]}" in page
    assert ">and 2 more</a>" in page
    assert ">Refused</bdi></a>" in page


def test_a_cause_that_no_retry_cures_says_so_before_the_click(
    app: APIFlask, operator: Visitor
) -> None:
    add_failed(app, "A", Cause.FOREIGN_DATA)
    add_failed(app, "B", Cause.TIMEOUT)
    page = operator.get("/admin/partitions/").text
    assert "Will a retry help? No. Find the owner of the rows first." in page
    assert page.count("btn primary") == 2
    question = operator.get("/admin/partitions/review/?cause=foreign_data").text
    assert "A retry will not help." in question
    assert '<button class="btn" type="submit">Retry all the same' in question
    assert (
        "A retry will not help" not in operator.get("/admin/partitions/review/?cause=timeout").text
    )


def test_a_cause_tells_of_its_last_retry_when_there_was_one(
    app: APIFlask, operator: Visitor
) -> None:
    add_failed(app, "A")
    send(operator, "/admin/partitions/retry/", cause="timeout")
    add_failed(app, "B")
    page = operator.get("/admin/partitions/").text
    assert "/admin/operations/show/?id=1" in page
    assert "0 of 1 finished: 0 ready, 0 failed again, 1 waiting." in page
    assert "+1" in page


def test_nothing_changes_when_a_retry_is_reviewed(app: APIFlask, operator: Visitor) -> None:
    failed, waiting = add_failed(app), add_tenant(app, "Borgo")
    address = f"/admin/partitions/review/?scope=selected&id={failed}&id={waiting}&id=999"
    page = operator.get(address).text
    assert "1 will be queued." in page
    assert "2 skipped: 1 waits already, 1 does not exist." in page
    assert state_of(app, failed) == FAILED


def test_only_one_cause_is_queued_when_that_cause_is_retried(
    app: APIFlask, operator: Visitor
) -> None:
    timeout, auth = add_failed(app, "A"), add_failed(app, "B", Cause.AUTH)
    assert send(operator, "/admin/partitions/retry/", cause="auth") == 302
    assert (state_of(app, timeout), state_of(app, auth)) == (FAILED, PENDING)


def test_only_ticked_causes_are_queued_when_all_are_retried(
    app: APIFlask, operator: Visitor
) -> None:
    timeout, foreign = add_failed(app, "A"), add_failed(app, "B", Cause.FOREIGN_DATA)
    question = operator.get("/admin/partitions/review/").text
    assert 'value="timeout" checked' in question
    assert 'value="foreign_data" checked' not in question
    send(operator, "/admin/partitions/retry/", scope="causes", causes="timeout")
    assert (state_of(app, timeout), state_of(app, foreign)) == (PENDING, FAILED)


def test_only_the_selected_are_queued_when_they_are_retried(
    app: APIFlask, operator: Visitor
) -> None:
    one, other = add_failed(app, "A"), add_failed(app, "B")
    send(operator, "/admin/partitions/retry/", scope="selected", id=str(one))
    assert (state_of(app, one), state_of(app, other)) == (PENDING, FAILED)


def test_nothing_is_queued_when_a_form_leaves_out_what_is_meant(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_failed(app)
    assert send(operator, "/admin/partitions/retry/") == 400
    assert send(operator, "/admin/partitions/retry/", cause="nonsense") == 404
    assert state_of(app, tenant_id) == FAILED


def test_waiting_jobs_and_the_lack_of_workers_are_told_when_nothing_works_the_queue(
    app: APIFlask, operator: Visitor
) -> None:
    add_tenant(app)
    page = operator.get("/admin/partitions/?tab=queues").text
    assert app.extensions["job_queue"].queue.name in page
    assert "wait; nothing moves until one starts." in page.replace("waits;", "wait;")


def test_every_page_is_served_when_redis_does_not_answer(tmp_path: Path, app: APIFlask) -> None:
    add_failed(app, "Acme")
    cut_off = create_app(settings_in(tmp_path, redis_url=f"unix://{tmp_path}/gone.sock"))
    operator = Visitor(cut_off, new_address())
    operator.login(add_user(app, Role.OPERATOR))
    for address in ("/admin/", "/admin/partitions/", "/admin/partitions/?tab=queues"):
        answer = operator.get(address)
        assert answer.status_code == 200
        assert "Redis does not answer" in answer.text
    assert "Acme" in operator.get("/admin/tenant/").text
    close(cut_off)
