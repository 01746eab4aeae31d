"""Taking over tenants from a file: all or nothing, numbers kept, no request made."""

import pytest

from tests.factories import ACTOR, Product, statements
from webapp.csv_import.faults import ImportRefused, Problem, RowFault
from webapp.csv_import.parsing import FileRow
from webapp.models.naming import MAX_TENANT_ID


def run(product: Product, *values: tuple[object, str, str], dry_run: bool = False) -> int:
    rows = [FileRow(line, name, slug, str(n)) for line, (n, name, slug) in enumerate(values, 2)]
    return product.services.uploads.import_all(rows, dry_run=dry_run, actor=ACTOR)


def refused(product: Product, *values: tuple[object, str, str]) -> dict[int, list[Problem]]:
    with pytest.raises(ImportRefused) as caught:
        run(product, *values)
    return {line: list(problems) for line, problems in caught.value.rows.items()}


def test_numbers_are_kept_and_no_request_is_made_when_a_file_is_imported(product: Product) -> None:
    assert run(product, (7, "Acme", "acme"), (4000, "Other", "other")) == 2
    assert product.backfillable() == [7, 4000]
    assert product.states() == []


def test_later_numbers_lie_above_when_a_file_was_imported(product: Product) -> None:
    product.create("First")
    run(product, (4000, "Acme", "acme"), (12, "Low", "low"))
    assert product.create("Next").id == 4001
    run(product, (13, "Lower", "lower"))
    assert product.create("Next").id > 4001


def test_numbers_are_left_for_others_when_a_file_holds_a_huge_one(product: Product) -> None:
    errors = refused(product, (MAX_TENANT_ID, "Last", "last"))
    assert errors == {2: [Problem(RowFault.NUMBER_UNUSABLE)]}
    run(product, (MAX_TENANT_ID // 2, "Highest", "highest"))
    assert product.create("Next").id == MAX_TENANT_ID // 2 + 1


def test_nothing_is_stored_when_one_row_is_wrong(product: Product) -> None:
    taken = product.create("Taken", slug="taken")
    errors = refused(
        product,
        (100, "Good", "good"),
        (100, "Twice", "twice"),
        (101, "", "no-name"),
        (102, "Bad slug", "Bad Slug"),
        (103, "Same slug", "good"),
        (taken.id, "Number", "number"),
        (104, "Slug", "taken"),
        ("x", "Letters", "letters"),
    )
    assert errors == {
        3: [Problem(RowFault.NUMBER_TWICE, line=2)],
        4: [Problem(RowFault.NAME_EMPTY)],
        5: [Problem(RowFault.SLUG_UNUSABLE)],
        6: [Problem(RowFault.SLUG_TWICE, line=2, slug="good")],
        7: [Problem(RowFault.NUMBER_TAKEN, number=taken.id)],
        8: [Problem(RowFault.SLUG_TAKEN, slug="taken", number=taken.id)],
        9: [Problem(RowFault.NUMBER_UNUSABLE)],
    }
    assert product.backfillable() == []


@pytest.mark.parametrize(
    "number", ["0", "-1", "007", "1.5", "", "٣", "1" * 21, "9" * 5000, "1\x00"]
)
def test_number_is_refused_when_it_is_hostile(product: Product, number: str) -> None:
    errors = refused(product, (number, "Name", "slug"))
    assert errors == {2: [Problem(RowFault.NUMBER_UNUSABLE)]}


@pytest.mark.parametrize("slug", ["a\x00b", "", "x" * 10_000, "';--", "\ud800"])
def test_slug_is_refused_when_it_is_hostile(product: Product, slug: str) -> None:
    assert refused(product, (5, "Name", slug)) == {2: [Problem(RowFault.SLUG_UNUSABLE)]}


def test_nothing_is_stored_when_it_is_a_dry_run(product: Product) -> None:
    assert run(product, (5, "Name", "slug"), dry_run=True) == 1
    assert product.backfillable() == []


def test_every_row_is_named_when_the_same_file_comes_again(product: Product) -> None:
    run(product, (5, "Five", "five"), (6, "Six", "six"))
    assert refused(product, (5, "Five", "five"), (6, "Six", "six")) == {
        2: [Problem(RowFault.NUMBER_TAKEN, number=5)],
        3: [Problem(RowFault.NUMBER_TAKEN, number=6)],
    }


def test_number_is_refused_when_its_tenant_was_deleted(product: Product) -> None:
    tenant = product.create(slug="gone")
    product.services.tenants.delete(tenant.id, actor=ACTOR)
    errors = refused(product, (tenant.id, "Again", "gone"))
    assert errors == {2: [Problem(RowFault.NUMBER_TAKEN, number=tenant.id)]}


def test_many_rows_go_in_batches(product: Product) -> None:
    many = [(n, f"Tenant {n}", f"tenant-{n}") for n in range(1, 2_001)]
    with statements(product.engine) as seen:
        assert run(product, *many) == 2_000
    assert len(seen) < 30
