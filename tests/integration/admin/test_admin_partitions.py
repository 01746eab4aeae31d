"""The partitions page: filters, paging, retries of many, queues and workers."""

import re
from html import unescape
from pathlib import Path

import pytest
from apiflask import APIFlask

from tests.access import close, settings_in
from tests.integration.admin.panel import OpenPanel
from webapp import create_app
from webapp.auth.roles import Role
from webapp.models.causes import Cause
from webapp.models.states import PartitionState

PENDING, FAILED = PartitionState.PENDING, PartitionState.FAILED


def test_only_what_is_asked_for_is_listed_when_filtered(panel: OpenPanel) -> None:
    panel.add_tenant("Alba")
    panel.add_failed("Borgo", Cause.TIMEOUT)
    panel.add_failed("Corte", Cause.AUTH)
    address = "/admin/partitions/?state=failed&cause=auth"
    page = panel.page(address)
    assert "Corte" in page
    assert "Alba" not in page
    assert "Borgo" not in page
    assert "Corte" in panel.page(address.replace("/?", "/live/?"))


def test_every_tenant_is_seen_once_when_paged_through(panel: OpenPanel) -> None:
    for number in range(60):
        panel.add_tenant(f"Name {number:02}")
    first = panel.page("/admin/partitions/?tab=all")
    second = panel.page(linked(first, "next"))
    shown = [sum(f">Name {number:02}<" in page for page in (first, second)) for number in range(60)]
    assert shown == [1] * 60
    assert "1–50 of 60" in first
    assert "51–60 of 60" in second
    back = panel.page(linked(second, "prev"))
    assert ">Name 00<" in back
    assert "1–50 of 60" in back


def test_no_rank_is_said_when_the_address_tells_none_that_can_be(panel: OpenPanel) -> None:
    for number in range(3):
        panel.add_tenant(f"Name {number}")
    for rank in ("", "1-", "0-", "59-", "999999999-"):
        page = panel.page(f"/admin/partitions/?tab=all&page={rank}after-1-Name+0")
        assert "2 of 3</p>" in page, rank


def linked(page: str, rel: str) -> str:
    """Where the page's link to the next or the previous one leads."""
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    assert found, page
    return unescape(found[1])


def test_failures_are_shown_first_when_nothing_else_is_asked_for(panel: OpenPanel) -> None:
    panel.add_tenant("Alba")
    assert 'id="row-1"' in panel.page("/admin/partitions/")
    panel.add_failed("Borgo")
    for address in ("/admin/partitions/", "/admin/partitions/live/"):
        assert 'id="family-timeout"' in panel.page(address)
    for address in ("?tab=all", "?search=", "?state=ready", "live/?tab=all"):
        assert 'id="all"' in panel.page(f"/admin/partitions/{address}")


def test_the_tab_and_the_filters_stay_when_the_page_refreshes_itself(panel: OpenPanel) -> None:
    panel.add_failed("Borgo")
    page = panel.page("/admin/partitions/?search=Bor&operation=7")
    assert 'hx-get="/admin/partitions/live/?tab=all&amp;search=Bor&amp;operation=7"' in page
    page = panel.page("/admin/partitions/?tab=all&state=failed&cause=timeout")
    assert 'live/?tab=all&amp;state=failed&amp;cause=timeout"' in page


def test_a_cause_says_what_it_means_and_what_to_do_when_something_failed(panel: OpenPanel) -> None:
    panel.add_failed("Acme", Cause.FOREIGN_DATA)
    page = panel.page("/admin/partitions/?tab=causes")
    advice = Cause.FOREIGN_DATA.advice
    assert advice.meaning.replace("'", "&#39;") in page
    assert advice.remedy in page
    assert "error of Acme" in page


def test_those_who_failed_first_are_named_when_their_cause_is_shown(panel: OpenPanel) -> None:
    numbers = [panel.add_failed(f"Late {each}", Cause.TIMEOUT) for each in range(7)]
    panel.add_failed("Refused", Cause.AUTH)
    page = panel.page("/admin/partitions/")
    assert [f">Late {each}</bdi></a>" in page for each in range(7)] == [True] * 5 + [False, True]
    assert f"tenant_{numbers[0]}" in page
    assert ">and 2 more</a>" in page
    assert ">Refused</bdi></a>" in page


def test_a_cause_that_no_retry_cures_says_so_before_the_click(panel: OpenPanel) -> None:
    panel.add_failed("A", Cause.FOREIGN_DATA)
    panel.add_failed("B", Cause.TIMEOUT)
    page = panel.page("/admin/partitions/")
    assert "Will a retry help? No. Find the owner of the rows first." in page
    assert page.count("btn primary") == 2
    question = panel.page("/admin/partitions/review/?cause=foreign_data")
    assert "A retry will not help." in question
    assert '<button class="btn" type="submit">Retry all the same' in question
    assert "A retry will not help" not in panel.page("/admin/partitions/review/?cause=timeout")


def test_a_cause_tells_of_its_last_retry_when_there_was_one(panel: OpenPanel) -> None:
    panel.add_failed("A")
    panel.send("/admin/partitions/retry/", cause="timeout")
    panel.add_failed("B")
    page = panel.page("/admin/partitions/")
    assert "/admin/operations/show/?id=1" in page
    assert "0 of 1 ready, 0 failed again, 1 waiting." in page
    assert "+1" in page


def test_nothing_changes_when_a_retry_is_reviewed(panel: OpenPanel) -> None:
    failed, waiting = panel.add_failed(), panel.add_tenant("Borgo")
    address = f"/admin/partitions/review/?scope=selected&id={failed}&id={waiting}&id=999"
    page = panel.page(address)
    assert "1 will be queued." in page
    assert "2 skipped: 1 waits already, 1 does not exist." in page
    assert panel.state(failed) == FAILED


@pytest.mark.parametrize(
    ("form", "status", "states"),
    [
        ({"cause": "foreign_data"}, 302, (FAILED, PENDING)),
        ({"scope": "causes", "causes": "timeout"}, 302, (PENDING, FAILED)),
        ({"scope": "selected", "id": "1"}, 302, (PENDING, FAILED)),
        ({}, 400, (FAILED, FAILED)),
        ({"cause": "nonsense"}, 404, (FAILED, FAILED)),
    ],
)
def test_only_what_is_meant_is_queued_when_failures_are_retried(
    panel: OpenPanel, form: dict[str, str], status: int, states: tuple[PartitionState, ...]
) -> None:
    timeout, foreign = panel.add_failed("A"), panel.add_failed("B", Cause.FOREIGN_DATA)
    question = panel.page("/admin/partitions/review/")
    assert 'value="timeout" checked' in question
    assert 'value="foreign_data" checked' not in question
    assert panel.send("/admin/partitions/retry/", **form) == status
    assert (panel.state(timeout), panel.state(foreign)) == states


def test_every_page_is_served_when_redis_does_not_answer(tmp_path: Path, app: APIFlask) -> None:
    cut_off = create_app(settings_in(tmp_path, redis_url=f"unix://{tmp_path}/gone.sock"))
    panel = OpenPanel(cut_off)
    panel.enter(Role.OPERATOR)
    panel.add_failed("Acme")
    for address in ("/admin/", "/admin/partitions/", "/admin/partitions/?tab=queues"):
        answer = panel.get(address)
        assert answer.status_code == 200
        assert "Redis does not answer" in answer.text
    assert "Acme" in panel.page("/admin/tenant/")
    close(cut_off)
