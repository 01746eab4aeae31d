"""The brake in the panel: every page says it, and an operator decides with the name typed."""

import re

from sqlalchemy import update

from tests.integration.admin.panel import COLLECTION, MOST_QUERIES, OpenPanel
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Brake, Installation
from webapp.models.partition import Partition
from webapp.models.states import PartitionState

PAGES = ("/admin/", "/admin/tenant/", "/admin/partitions/?tab=drift", "/admin/partitions/live/")
ME = "user:operator"
DECIDE = f"/admin/partitions/brake/?collection={COLLECTION}"


def put_on(panel: OpenPanel, reason: Cause = Cause.PARTITIONS_GONE, gone: int = 12) -> None:
    figures = {"reason": reason, "gone": gone, "proven": 13, "since": utc_now()}
    panel.store(Brake(collection=COLLECTION, **figures))


def brake(panel: OpenPanel) -> Brake:
    with panel.database.reading() as session:
        return session.get_one(Brake, COLLECTION)


def add_missing(panel: OpenPanel) -> int:
    number = panel.add_tenant()
    missing = {"state": PartitionState.MISSING, "cause": Cause.PARTITIONS_GONE}
    panel.change(number, **missing, error="Milvus lists it no more", ready_at=utc_now())
    return number


def test_every_page_says_so_when_a_brake_is_on(panel: OpenPanel) -> None:
    number = add_missing(panel)
    panel.observe()
    put_on(panel)
    for address in PAGES:
        headers = {"HX-Request": "true"} if "live" in address else {}
        page = panel.page(address, headers=headers)
        assert "are gone at once" in page, address
        assert "12 of 13 partitions are missing" in page, address
        assert f'href="{DECIDE}"' in page, address
    overview = panel.page("/admin/")
    assert 'class="verdict danger-role"' in overview
    assert "All 1 tenants are ready" not in overview
    assert "Database and Milvus agree" not in panel.page("/admin/partitions/?tab=drift")
    page = panel.details(number)
    assert "Many partitions gone" in page and ">missing</span>" in page
    with panel.counted() as statements:
        panel.page(DECIDE)
    assert len([each for each in statements if each.startswith("SELECT")]) <= MOST_QUERIES


def test_nothing_is_made_again_before_the_name_is_typed(panel: OpenPanel) -> None:
    add_missing(panel)
    put_on(panel)
    mistyped = panel.post(
        "/admin/partitions/brake/make-again/",
        {"csrf_token": panel.csrf_token(DECIDE), "collection": COLLECTION, "typed": "kb"},
    )
    assert mistyped.status_code == 422
    assert "not the collection's name" in mistyped.text
    assert brake(panel).released_at is None
    decided = {"collection": COLLECTION, "typed": COLLECTION}
    assert panel.send("/admin/partitions/brake/make-again/", **decided) == 302
    assert str(brake(panel).released_by).startswith(ME)
    assert panel.get(DECIDE).status_code == 404
    assert "are gone at once" not in panel.page("/admin/")


def test_waiting_is_on_record_and_viewers_only_look(panel: OpenPanel, viewer: OpenPanel) -> None:
    add_missing(panel)
    put_on(panel)
    assert panel.send("/admin/partitions/brake/wait/", collection=COLLECTION) == 302
    assert str(brake(panel).acknowledged_by).startswith(ME)
    page = viewer.page(DECIDE)
    assert re.search(r"Seen by .*; all waits", page)
    # Nothing is said twice: the notice leads to this page.
    assert (page.count('id="brake-1"'), viewer.page("/admin/").count('id="brake-1"')) == (0, 1)
    assert 'id="make-again"' not in page and 'id="wait"' not in page
    for verb in ("wait", "make-again"):
        sent = {"collection": COLLECTION, "typed": COLLECTION}
        assert viewer.send(f"/admin/partitions/brake/{verb}/", **sent) == 403


def test_nothing_can_be_made_again_while_the_collection_is_missing(panel: OpenPanel) -> None:
    put_on(panel, Cause.COLLECTION_MISSING, 13)
    banner = panel.page("/admin/").partition('id="brakes"')[2].partition('id="paused"')[0]
    assert "See why" in banner and "Decide" not in banner
    page = panel.page(DECIDE)
    assert 'id="make-again"' not in page
    assert "Only in this case create the collection" in page
    sent = {"collection": COLLECTION, "typed": COLLECTION}
    assert panel.send("/admin/partitions/brake/make-again/", **sent) == 302
    assert brake(panel).released_at is None


def test_collection_is_accepted_when_it_lists_all_partitions(panel: OpenPanel) -> None:
    put_on(panel, Cause.COLLECTION_REPLACED, 0)
    assert "Accept this collection" in panel.page(DECIDE)


def test_lost_rows_are_shown_until_somebody_acknowledges_them(panel: OpenPanel) -> None:
    numbers = [panel.add_tenant(name) for name in "AB"]
    for number in numbers:
        panel.change(number, state=PartitionState.READY, rows_lost_at=utc_now())
    panel.change(panel.add_tenant("C"), state=PartitionState.READY)
    assert "Rows of 2 tenants may be lost" in panel.page("/admin/")
    listed = panel.page("/admin/tenant/?state=lost")
    assert ">A</" in listed and ">B</" in listed and ">C</" not in listed
    assert "Rows may be lost <b>2</b>" in listed
    assert "Rows may be lost" in panel.details(numbers[0])
    assert panel.send("/admin/tenant/acknowledge/", tenant_id=str(numbers[0])) == 302
    assert "Rows may be lost" not in panel.details(numbers[0])
    question = "/admin/operations/review/?kind=acknowledge&scope=matching&state=lost"
    assert "1 tenant is marked no more" in panel.page(question)
    sent = {"kind": "acknowledge", "scope": "matching", "state": "lost"}
    assert panel.send("/admin/operations/start/", **sent) == 302
    with panel.database.reading() as session:
        assert session.get_one(Partition, numbers[1]).rows_lost_at is None


def test_loss_is_not_acknowledged_when_it_is_not_made_again_yet(panel: OpenPanel) -> None:
    number = panel.add_tenant()
    panel.change(number, rows_lost_at=utc_now())
    assert 'id="acknowledge"' not in panel.details(number)
    panel.send("/admin/tenant/acknowledge/", tenant_id=str(number))
    with panel.database.reading() as session:
        assert session.get_one(Partition, number).rows_lost_at is not None


def test_what_was_typed_is_kept_when_the_database_was_restored(panel: OpenPanel) -> None:
    panel.add_tenant()
    panel.execute(update(Installation).values(identity="file=1"))
    token = panel.csrf_token("/admin/tenant/new/")
    form = {"csrf_token": token, "name": "Globex", "slug": "globex-7"}
    answer = panel.post("/admin/tenant/new/", form)
    assert answer.status_code == 422
    assert 'value="Globex"' in answer.text and 'value="globex-7"' in answer.text
    assert "No tenant is created before it was compared with Milvus" in answer.text
    page = panel.page("/admin/")
    assert "The database was restored from a backup" in page
    assert "Let drops go on" not in page
    panel.services.incarnations.record_compared()
    assert panel.post("/admin/tenant/new/", form).status_code == 302
    assert "Let drops go on" in panel.page("/admin/tenant/")
    assert panel.send("/admin/partitions/restored/") == 302
    assert "The database was restored" not in panel.page("/admin/")
