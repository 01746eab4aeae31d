"""The audit's page and file: what they show, to whom, and that nothing in them is run."""

import csv
import io

from tests.access import Visitor
from tests.factories import ACTOR
from tests.integration.admin.panel import OpenPanel
from webapp.admin.audit.labels import ACTIONS, action_icon
from webapp.audit import log as audit
from webapp.settings import PROJECT_ROOT


def rows(visitor: Visitor, query: str = "") -> list[dict[str, str]]:
    text = visitor.get(f"/admin/audit/export.csv{query}").get_data(as_text=True)
    return list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))


def test_before_and_after_are_shown_when_a_tenant_was_renamed(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant("Acme")
    panel.services.tenants.rename(tenant_id, name="<b>Acme</b>", actor=ACTOR)
    page = panel.page("/admin/audit/?action=tenant.rename")
    assert "Tenant renamed" in page
    assert "</span><bdi>Acme</bdi></del>" in page
    assert "</span><bdi>&lt;b&gt;Acme&lt;/b&gt;</bdi></ins>" in page
    assert f"/admin/tenant/details/?id={tenant_id}" in page
    assert "acme</del>" not in page  # the slug stayed


def test_who_and_from_where_is_shown_when_a_button_was_pressed(panel: OpenPanel) -> None:
    tenant_id = panel.add_failed()
    assert panel.send("/admin/tenant/retry/", tenant_id=tenant_id) == 302
    page = panel.page("/admin/audit/?action=tenant.retry")
    assert '"><bdi>operator-' in page
    assert f"Panel · {panel.environ['REMOTE_ADDR']}" in page
    for said in ("error of Acme", "No answer in time", "pending"):
        assert said in page


def test_what_holds_nothing_is_left_out_and_what_is_shown_has_its_word(panel: OpenPanel) -> None:
    after = {"rows": 6, "skipped": {}, "selection": {"state": "failed"}}
    with panel.services.database.transaction() as session:
        audit.record(session, actor=ACTOR, action="operation.retry", after=after)
    page = panel.page("/admin/audit/")
    assert "Rows" in page
    assert "State: failed" in page
    assert "Skipped" not in page


def test_entries_are_left_out_when_the_address_says_so(panel: OpenPanel) -> None:
    panel.add_tenant("Acme")
    panel.add_tenant("Bolt")
    for query, seen in (
        ("", {"Acme", "Bolt"}),
        ("?search=acm", {"Acme"}),
        ("?tenant=tenant_2", {"Bolt"}),
        ("?via=api", set()),
        ("?until=2001-01-01T00:00", set()),
        ("?since=never&via=nowhere&span=1&before=x&tenant=%00", {"Acme", "Bolt"}),
    ):
        page = panel.page(f"/admin/audit/{query}")
        assert {name for name in ("Acme", "Bolt") if f">{name}</bdi>" in page} == seen, query


def test_older_entries_are_a_page_away_when_there_are_many(panel: OpenPanel) -> None:
    for number in range(51):
        panel.add_tenant(f"T{number}")
    page = panel.page("/admin/audit/?action=tenant.create")
    assert (">T50</bdi>" in page, ">T0</bdi>" in page) == (True, False)
    older = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    page = panel.page(older)
    assert (">T0</bdi>" in page, "Newest" in page, 'rel="next"' in page) == (True, True, False)


def test_the_file_holds_what_the_page_shows_and_runs_nothing(panel: OpenPanel) -> None:
    panel.add_tenant("=1+1")
    panel.add_tenant("Bolt")
    (row,) = rows(panel, "?search=1%2B1")
    assert (row["tenant"], row["action"], row["via"]) == ("'=1+1", "tenant.create", "panel")
    assert row["after"] == '{"name": "=1+1", "slug": "1-1"}'
    (made,) = rows(panel, "?action=export.audit")
    assert "operator-" in made["actor"]
    assert '"search": "1+1"' in made["after"]


def test_nothing_there_is_said_in_words(panel: OpenPanel) -> None:
    assert "Nothing matches" in panel.page("/admin/audit/?actor=cli&search=zzz")


def test_the_request_leads_to_all_that_it_did(panel: OpenPanel) -> None:
    page = panel.page("/admin/audit/?action=user.login")
    address = page.partition('under request" href="')[2].partition('"')[0]
    assert "request=" in address
    assert "Logged in" in panel.page(address.replace("&amp;", "&"))


def test_a_user_that_was_added_has_another_picture_than_a_login() -> None:
    pictures = {action: action_icon(action) for action in ACTIONS if action.startswith("user.")}
    assert pictures["user.create"] == pictures["user.change"] != pictures["user.login"]
    drawn = (PROJECT_ROOT / "static" / "icons.svg").read_text()
    assert [name for name in map(action_icon, ACTIONS) if f'id="{name}"' not in drawn] == []
