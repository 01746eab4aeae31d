"""Uploaded files: checked without effect, then each row becomes one tenant, whoever dies."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs.reconciler.bulk_loops import run_imports
from tests.access import statements
from tests.factories import ACTOR, Product, all_at_once
from webapp.csv_import import batch
from webapp.csv_import.faults import Problem, RowFault, UploadNotFound, loaded
from webapp.csv_import.queries import all_rows, get_upload, rows_of
from webapp.db.types import utc_now
from webapp.models.csv_import import RowOutcome, Upload, UploadRow, UploadState
from webapp.models.tenant import Tenant
from webapp.tenants.inserts import ONE_WRITES

Story = list[tuple[int, str, int | None]]


def check(product: Product, text: str) -> int:
    return product.services.uploads.check("tenants.csv", text.encode(), actor=ACTOR).id


def finish(product: Product, upload_id: int) -> Upload:
    product.services.uploads.confirm(upload_id, actor=ACTOR)
    run_imports(product.services.uploads, threading.Event())
    return upload(product, upload_id)


def upload(product: Product, upload_id: int) -> Upload:
    found = product.read(get_upload, upload_id)
    assert found is not None
    return found


def story(product: Product, upload_id: int) -> Story:
    rows = all_rows(product.database, upload_id)
    return [(row.line, row.outcome.value, row.tenant_id) for row in rows]


def problems(product: Product, upload_id: int, outcome: str = "invalid") -> dict[int, list[Any]]:
    rows = product.read(rows_of, upload_id, [RowOutcome(outcome)], 100)
    return {row.line: loaded(row.problems) for row in rows}


def tenants(product: Product) -> list[tuple[int, str, str]]:
    with product.engine.connect() as connection:
        rows = connection.execute(select(Tenant.id, Tenant.name, Tenant.slug).order_by(Tenant.id))
        return [tuple(row) for row in rows]


def many(count: int) -> str:
    return "name\n" + "".join(f"Tenant {number}\n" for number in range(1, count + 1))


def audited(product: Product) -> list[str]:
    return [entry.action for entry in product.audited("upload.")]


def test_each_row_becomes_a_tenant_once_the_file_is_confirmed(product: Product) -> None:
    product.create("Acme", slug="acme")
    number = check(product, "name,slug\nAcme S.p.A.,\nOther,mine\n東京,\n東亰,\nAcme,acme\n,bad\n")
    found = upload(product, number)
    assert (found.rows, found.new, found.unchanged, found.invalid) == (6, 4, 1, 1)
    new = [(line, "new", None) for line in (2, 3, 4, 5)]
    others = [(6, "unchanged", 1), (7, "invalid", None)]
    assert story(product, number) == [*new, *others]
    assert (len(tenants(product)), audited(product)) == (1, ["upload.create"])
    found = finish(product, number)
    assert found.state == UploadState.FINISHED
    assert (found.created, found.waiting, found.refused) == (4, 0, 0)
    slugs = ["acme", "acme-s-p-a", "mine", "dongjing", "dongjing-2"]
    assert [slug for _, _, slug in tenants(product)] == slugs
    assert story(product, number) == [*((n, "created", n) for n in (2, 3, 4, 5)), *others]
    assert [product.event_names(n) for n in (2, 5)] == [["requested", "dispatched"]] * 2
    assert product.events(2)[0].actor == ACTOR.name
    assert len(product.queued()) == 5
    assert audited(product) == ["upload.create", "upload.confirm"]


def test_every_fault_is_named_when_rows_are_unusable(simple: Product) -> None:
    simple.create("Owner", slug="taken")
    lines = [
        *("name,slug", "First,one", ",Bad Slug", "First again,one", "x" * 256 + ",", "Owned,taken"),
        *("a\0b,", "Two,two,cells", "東京,", "東京,", "First,", "\u200b,"),
    ]
    number = check(simple, "\n".join(lines))
    assert problems(simple, number) == {
        3: [Problem(RowFault.NAME_EMPTY), Problem(RowFault.SLUG_UNUSABLE)],
        4: [Problem(RowFault.SLUG_TWICE, line=2, slug="one")],
        5: [Problem(RowFault.NAME_TOO_LONG)],
        6: [Problem(RowFault.SLUG_TAKEN, slug="taken", number=1)],
        7: [Problem(RowFault.NAME_UNPRINTABLE)],
        8: [Problem(RowFault.TOO_MANY_CELLS)],
        10: [Problem(RowFault.NAME_TWICE, line=9)],
        12: [Problem(RowFault.NAME_INVISIBLE, character="U+200B")],
    }


def test_a_tenant_is_found_by_its_name_when_its_slug_is_unlike(simple: Product) -> None:
    simple.create("Łódź", slug="odz")
    simple.create("東京", slug="tenant")
    simple.create("Lodz", slug="lodz")
    number = check(simple, "name\nŁódź\n東京\nŁódź Sp.\n")
    assert story(simple, number) == [(2, "unchanged", 1), (3, "unchanged", 2), (4, "new", None)]
    finish(simple, number)
    assert tenants(simple)[-1][1:] == ("Łódź Sp.", "lodz-sp")


def test_each_row_is_created_once_when_one_file_comes_often(simple: Product) -> None:
    text = "name,slug\nAcme,\nOther,mine\n東京,\n"
    unchanged = [(line, "unchanged", line - 1) for line in (2, 3, 4)]
    first, second = check(simple, text), check(simple, text)
    finish(simple, first)
    before = tenants(simple)
    found = finish(simple, second)
    assert (found.created, found.unchanged) == (0, 3)
    assert story(simple, second) == unchanged
    again = check(simple, text)
    assert story(simple, again) == unchanged
    assert finish(simple, again).state == UploadState.FINISHED
    assert tenants(simple) == before


def test_a_row_is_refused_when_its_number_or_slug_is_taken_after_the_check(
    product: Product,
) -> None:
    number = check(product, "id,name,slug\n1,First,\n2,Second,two\n3,Third,one\n")
    product.create("Faster", slug="one")
    found = finish(product, number)
    assert (found.created, found.refused) == (1, 2)
    assert problems(product, number, "refused") == {
        2: [Problem(RowFault.NUMBER_TAKEN, number=1)],
        4: [Problem(RowFault.SLUG_TAKEN, slug="one", number=1)],
    }
    assert product.create("Next").id == 4


def test_every_row_is_created_once_when_the_process_dies_in_a_batch(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "BATCH", 10)
    number = check(product, many(35))
    uploads = product.services.uploads
    uploads.confirm(number, actor=ACTOR)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(batch, "_note", dies)
        uploads.advance(number)
    assert (upload(product, number).created, len(tenants(product))) == (10, 10)
    # And one that dies after its commit, before anybody was told or dispatched.
    uploads._take(number, ONE_WRITES)
    assert len(tenants(product)) == 20
    run_imports(uploads, threading.Event())
    assert upload(product, number).created == 35
    assert [name for _, name, _ in tenants(product)] == [f"Tenant {n}" for n in range(1, 36)]
    made = [tenant_id for tenant_id, _, _ in tenants(product)]
    assert story(product, number) == [(n + 2, "created", made[n]) for n in range(35)]
    product.age(made[15], "dispatch_after", 1)
    product.services.dispatcher.dispatch_due()
    assert "dispatched" in product.event_names(made[15])


def test_every_row_is_created_once_when_four_loops_take_them(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "BATCH", 7)
    numbers = [check(product, many(60)), check(product, many(60))]
    for number in numbers:
        product.services.uploads.confirm(number, actor=ACTOR)

    def go_on() -> None:
        while run_imports(product.services.uploads, threading.Event()):
            pass

    assert all_at_once([go_on] * 4) == [None] * 4
    assert sorted(name for _, name, _ in tenants(product)) == sorted(
        f"Tenant {n}" for n in range(1, 61)
    )
    found = [upload(product, number) for number in numbers]
    assert [one.created + one.unchanged for one in found] == [60, 60]
    assert sum(one.created for one in found) == 60


def test_nothing_is_lost_when_sign_ups_take_slugs_of_the_file(product: Product) -> None:
    number = check(product, many(120))

    def sign_up() -> None:
        for one in range(120, 0, -4):
            product.create(f"Tenant {one}")

    both = all_at_once([sign_up, lambda: finish(product, number)])
    assert [each for each in both if isinstance(each, Exception)] == []
    found = upload(product, number)
    assert found.created + found.unchanged == 120
    assert len({slug for _, _, slug in tenants(product)}) == len(tenants(product))


def test_numbers_of_the_file_are_kept_and_later_ones_lie_above(product: Product) -> None:
    product.create("First")
    number = check(product, "id;name;slug\n7;Acme;\n4000;Other;mine\n0;Zero;\n1;Else;\n7;Twice;\n")
    assert problems(product, number) == {
        4: [Problem(RowFault.NUMBER_UNUSABLE)],
        5: [Problem(RowFault.NUMBER_TAKEN, number=1)],
        6: [Problem(RowFault.NUMBER_TWICE, line=2)],
    }
    assert finish(product, number).created == 2
    assert tenants(product)[1:] == [(7, "Acme", "acme"), (4000, "Other", "mine")]
    assert product.backfillable() == [7, 4000]
    assert product.create("Next").id == 4001
    again = check(product, "id,name,slug\n7,Acme,\n4000,Other,mine\n")
    assert [outcome for _, outcome, _ in story(product, again)] == ["unchanged"] * 2


def test_a_number_is_refused_when_its_tenant_is_deleted_or_another(simple: Product) -> None:
    simple.delete(simple.create("Gone", slug="gone"))
    simple.create("There", slug="there")
    number = check(simple, "id,name,slug\n1,Gone,gone\n2,Renamed,\n9,There,there\n")
    assert problems(simple, number) == {
        2: [Problem(RowFault.NUMBER_TAKEN, number=1)],
        3: [Problem(RowFault.NUMBER_TAKEN, number=2)],
        4: [Problem(RowFault.SLUG_TAKEN, slug="there", number=2)],
    }


def test_only_the_first_decision_counts_when_several_are_made(product: Product) -> None:
    uploads = product.services.uploads
    number = check(product, "name\nAcme\n")
    assert uploads.discard(number, actor=ACTOR)
    assert not uploads.confirm(number, actor=ACTOR)
    assert not uploads.discard(number, actor=ACTOR)
    assert (tenants(product), story(product, number)) == ([], [])
    other = check(product, "name\nAcme\n")
    both = all_at_once([lambda: uploads.confirm(other, actor=ACTOR)] * 2)
    assert sorted(both) == [False, True]
    run_imports(uploads, threading.Event())
    assert len(tenants(product)) == 1
    with pytest.raises(UploadNotFound):
        uploads.confirm(other + 1, actor=ACTOR)
    assert audited(product) == [
        *("upload.create", "upload.discard", "upload.create", "upload.confirm")
    ]


def test_an_upload_is_forgotten_when_nobody_confirmed_it_for_a_day(simple: Product) -> None:
    old, fresh = check(simple, "name\nOld\n"), check(simple, "name\nFresh\n")
    done = check(simple, "name\nDone\n")
    finish(simple, done)
    long_ago = utc_now() - timedelta(hours=25)
    simple.write(update(Upload).where(Upload.id.in_([old, done])).values(uploaded_at=long_ago))
    run_imports(simple.services.uploads, threading.Event())
    assert set(simple.select(select(Upload.id))) == {fresh, done}
    assert set(simple.select(select(UploadRow.upload_id))) == {fresh, done}


def test_hostile_cells_are_kept_as_far_as_they_can_be_shown(simple: Product) -> None:
    name = "x" * 100_000
    number = check(simple, f"name,slug\n\x00\x1b[31m,{name}\n=cmd|' /C calc'!A0,\n{name},\n")
    rows = {row.line: row for row in all_rows(simple.database, number)}
    assert rows[2].name == "\ufffd\ufffd[31m"
    assert (rows[3].name, rows[3].outcome) == ("=cmd|' /C calc'!A0", "new")
    assert (len(rows[4].name), rows[4].name[-1]) == (300, "…")


def test_thousands_of_rows_are_checked_in_few_statements(product: Product) -> None:
    with statements(product.engine) as sent:
        number = check(product, many(4_000))
    assert upload(product, number).new == 4_000
    assert len(sent) < 30


def test_a_batch_takes_as_many_statements_when_it_is_larger(simple: Product) -> None:
    def taken(count: int) -> int:
        number = check(simple, many(count).replace("Tenant", f"Of {count}"))
        with statements(simple.engine) as sent:
            simple.services.uploads.confirm(number, actor=ACTOR)
        return len([text for text in sent if "dispatch" not in text])

    few = taken(100)
    assert taken(500) < few + 30
