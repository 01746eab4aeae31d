"""Every page, empty, full and failing: no violation of axe's, in every theme and width.

The pages are those that pictures are taken of; a page that is missing there fails here.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, FilePayload
from sqlalchemy import insert, update

from jobs.milvus.client import MilvusPartitionStore
from tests.access import settings_in
from tests.browser.axe import SOURCE, violations
from tests.browser.login import logged_in
from tests.browser.panel import Panel, serving
from tests.browser.walk import COLOURS, DARK, FORCED, NARROW, WIDE, Walk
from tests.engines.lite import LiteServer
from tests.engines.redis import RedisServer
from tests.factories import ACTOR
from tests.milvus_collections import insert_rows, make_collection
from tests.screenshots.pages import EMPTY, FAILING, FULL, Shot
from webapp import create_app
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Brake, Installation

# What answers with no page of its own: parts of pages, files, what Flask-Admin would offer.
PARTS = {
    *("admin.live", "tenant.live", "tenant.list_live", "partitions.live", "uploads.live"),
    *("operations.live", "operations.index_live", "partitions.orphan_live"),
}
FILES = {
    *("admin.static", "tenant.departure", "audit.export", "export.index", "export.tenants"),
    *("uploads.template", "uploads.result", "uploads.rejects", "help.picture"),
}
# Reached by a form, in the last test.
REACHED = {"operations.show", "uploads.show"}
OUTSIDE = [Shot("logout", "/logout"), Shot("pause", "/admin/pause/")]
WELL = [shot for shot in FULL if shot not in EMPTY or shot.name in {"overview", "tenants"}]
# What looks the same whether there are tenants or not is looked at once.
FAILED = [shot for shot in FAILING if shot.name not in {"import", "help", "walk", "tenants"}]
OPENED = [
    Shot("keys", "/admin/tenant/", "[data-keys-open]"),
    Shot("no-match", "/admin/tenant/?search=nobody+has+this+name"),
    Shot("rename-dialog", "/admin/tenant/details/?id={ready}", "a[data-dialog]"),
    Shot("long-name", "/admin/tenant/details/?id={long}"),
    Shot("delete-long-name", "/admin/tenant/delete/?id={long}"),
    Shot("delete-many", "/admin/operations/review/?kind=delete&scope=selected&id={ready}"),
]
ASKED = [
    Shot("review-all", "/admin/partitions/review/"),
    Shot("foreign-rows", "/admin/tenant/empty/?id={foreign}"),
    Shot("brake", "/admin/partitions/brake/?collection=kb_chunks_v0"),
    Shot("lost", "/admin/tenant/details/?id={ready}"),
]
LONGEST = "W" * 255
# static/api/docs.css: 6.5 : 1 on white.
DANGER = "rgb(176, 42, 55)"
SHEET = b"name,slug\nA new one,\nAcme S.p.A.,acme-s-p-a\nWrong,No Slug\n"


@pytest.fixture(scope="module")
def store(milvus_lite: LiteServer) -> Iterator[MilvusPartitionStore]:
    """What the test's own worker and sweep reach Milvus by."""
    store = MilvusPartitionStore(milvus_lite.uri, "", 10)
    yield store
    store.close()


@pytest.fixture(scope="module")
def stage(
    new_directory: Callable[[str], Path], redis_server: RedisServer, milvus_lite: LiteServer
) -> Iterator[Panel]:
    """A panel of this file's own, empty at first, with a collection."""
    milvus = {"milvus_uri": milvus_lite.uri, "milvus_collection": make_collection(milvus_lite.uri)}
    with serving(new_directory("stage"), redis_server.new_database(), **milvus) as served:
        yield served


@pytest.fixture(scope="module")
def walk(stage: Panel, browser: Browser) -> Iterator[Walk]:
    options = {"base_url": stage.url, "storage_state": logged_in(stage)}
    context = browser.new_context(reduced_motion="reduce", **options)
    # Half of what it costs to hand it to each page anew.
    context.add_init_script(SOURCE)
    yield Walk(context.new_page())
    context.close()


@pytest.fixture(scope="module")
def filled(stage: Panel, store: MilvusPartitionStore) -> dict[str, int]:
    """Numbers of tenants that are well, by what became of them; one has the longest name.

    Another one has no partition that was requested.
    """
    names = ("Acme S.p.A.", "Globex", "Initech", "Umbrella Logistics", LONGEST, "Los Pollos")
    numbers = [stage.create(name) for name in names]
    stage.rows.work(store)
    stage.delete(numbers[-1])
    stage.rows.imported_tenants(1, first=900)
    sweep(stage, store)
    assert stage.state(numbers[0]) == "ready"
    return {"ready": numbers[0], "long": numbers[-2], "removing": numbers[-1]}


@pytest.fixture(scope="module")
def broken(stage: Panel, store: MilvusPartitionStore, filled: dict[str, int]) -> dict[str, object]:
    """The same, with failures of several causes, an orphan, and rows of somebody else's."""
    collection = stage.rows.settings.milvus_collection
    foreign = stage.create("Weyland")
    for number in (4711, foreign):
        store.create_partition(collection, f"tenant_{number}")
    insert_rows(stage.rows.settings.milvus_uri or "", collection, f"tenant_{foreign}", 5)
    stage.rows.work(store)
    assert stage.state(foreign) == "failed"
    failed = stage.failed("Pied Piper", "Sterling Cooper", "Monsters Energia")
    sweep(stage, store)
    brake = {"reason": Cause.COLLECTION_REPLACED, "gone": 12, "proven": 13}
    stage.rows.write(insert(Brake).values(collection="kb_chunks_v0", since=utc_now(), **brake))
    stage.rows.change(filled["ready"], rows_lost_at=utc_now())
    stage.rows.write(update(Installation).values(restored_at=utc_now(), reason="other_database"))
    return {**filled, "failed": failed[0], "foreign": foreign, "collection": collection}


def sweep(stage: Panel, store: MilvusPartitionStore) -> None:
    stage.rows.reconciler(store).sweep()
    stage.count()


def test_every_page_is_in_the_list(tmp_path: Path) -> None:
    app = create_app(settings_in(tmp_path))
    adapter = app.create_url_adapter(None) or app.url_map.bind("localhost")
    shots = [*EMPTY, *WELL, *FAILED, *OUTSIDE, *OPENED, *ASKED]
    seen = {adapter.match(urlsplit(shot.address).path)[0] for shot in shots}
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/admin/")]
    answers = {rule.endpoint for rule in rules if "GET" in (rule.methods or ())}
    assert answers - PARTS - FILES - REACHED == seen - {"logout_page"}


def test_nothing_is_wrong_outside_the_panel(stage: Panel, browser: Browser) -> None:
    context = browser.new_context(base_url=stage.url, reduced_motion="reduce")
    walk = Walk(context.new_page())
    assert walk.over([Shot("login", "/login")], {}) == {}
    walk.page.get_by_label("E-mail address").fill("nobody@example.com")
    walk.page.get_by_label("Password").fill("wrong")
    walk.page.get_by_role("button", name="Log in").click()
    walk.page.get_by_role("alert").wait_for()
    assert list(walk.here()) == []
    context.close()


def test_nothing_is_wrong_with_the_description_of_the_api(walk: Walk) -> None:
    walk.page.goto("/api/docs")
    walk.page.locator(".opblock").first.wait_for()
    for operation in ("list_tenants", "create_tenant", "delete_tenant"):
        walk.page.locator(f"[id$=-{operation}] .opblock-summary-control").click()
        walk.page.locator(f"[id$=-{operation}] .responses-table").wait_for()
    assert walk.page.locator(".opblock-description code", has_text="remove_at").is_visible()
    assert violations(walk.page) == []
    # The star is generated, so that axe does not see it.
    star = walk.page.locator(".parameter__name.required").first
    assert star.evaluate("(name) => getComputedStyle(name, '::after').color") == DANGER
    walk.page.emulate_media(forced_colors="active")
    assert violations(walk.page, *COLOURS) == []


def test_nothing_is_wrong_with_any_page_when_there_is_no_tenant(walk: Walk) -> None:
    assert walk.over([*EMPTY, *OUTSIDE], {}, WIDE) == {}


def test_nothing_is_wrong_with_any_page_when_all_is_well(
    walk: Walk, filled: dict[str, int]
) -> None:
    assert walk.over([*WELL, *OPENED], filled, (NARROW, FORCED)) == {}


def test_nothing_is_wrong_with_figures_that_have_grown_old(
    walk: Walk, filled: dict[str, int]
) -> None:
    walk.page.goto("/admin/")
    walk.page.route("**/live/**", lambda route: route.abort())
    walk.page.locator(".live.stale").wait_for(timeout=30_000)
    assert list(walk.here()) == []
    walk.page.unroute("**/live/**")


def test_nothing_is_wrong_with_a_form_when_it_is_refused(
    walk: Walk, filled: dict[str, int]
) -> None:
    walk.page.goto("/admin/tenant/new/")
    walk.page.get_by_label("Slug").fill("No Slug")
    walk.page.get_by_role("button", name="Add tenant").click()
    walk.page.locator(".field .error").first.wait_for()
    assert list(walk.here()) == []


def test_nothing_is_wrong_with_a_file_when_it_was_checked(
    walk: Walk, filled: dict[str, int]
) -> None:
    walk.page.goto("/admin/import/")
    sheet: FilePayload = {"name": "new.csv", "mimeType": "text/csv", "buffer": SHEET}
    walk.page.get_by_label("CSV file").set_input_files(sheet)
    walk.page.get_by_role("button", name="Check the file").click()
    walk.page.wait_for_url("**/admin/import/show/**")
    assert list(walk.here()) == []


def test_nothing_is_wrong_with_any_page_when_something_failed(
    walk: Walk, broken: dict[str, object]
) -> None:
    # The colours of failures are the theme's own.
    assert walk.over([*FAILED, *ASKED], broken, (NARROW, DARK)) == {}
    walk.page.goto(f"/admin/partitions/review/?scope=selected&id={broken['failed']}")
    walk.page.get_by_role("main").get_by_role("button", name=re.compile("^Queue")).click()
    walk.page.wait_for_url("**/admin/operations/show/**")
    assert list(walk.here()) == []


def test_no_list_is_too_wide_when_its_words_are_italian(walk: Walk, filled: dict[str, int]) -> None:
    walk.page.set_extra_http_headers({"Accept-Language": "it"})
    for address in ("tenant/", "partitions/?tab=all", "partitions/?tab=all&state=failed"):
        walk.page.goto(f"/admin/{address}")
        assert walk.page.get_attribute("html", "lang") == "it"
        assert list(walk.too_wide()) == [], address
    walk.page.set_extra_http_headers({})


def test_nothing_is_wrong_with_an_error_or_a_pause(
    walk: Walk, stage: Panel, filled: dict[str, int]
) -> None:
    walk.page.goto("/admin/tenant/details/?id=999999")
    assert list(walk.here()) == []
    stage.rows.services.pauses.pause("Milvus gets a new disk", actor=ACTOR)
    paused = [Shot("overview", "/admin/"), Shot("queues", "/admin/partitions/?tab=queues")]
    assert walk.over(paused, filled) == {}
    stage.rows.services.pauses.resume(actor=ACTOR)
