"""Taking over tenants from a file: all or nothing, numbers kept, no request made."""

import pytest

from tests.access import statements
from tests.factories import ACTOR, Product
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


def test_numbers_are_kept_and_later_ones_lie_above_an_import(product: Product) -> None:
    product.create("First")
    assert run(product, (4000, "Acme", "acme"), (12, "Low", "low")) == 2
    assert (product.backfillable(), product.states()) == ([12, 4000], ["pending"])
    assert product.create("Next").id == 4001
    run(product, (13, "Lower", "lower"))
    assert product.create("Next").id == 4002


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


def test_numbers_and_slugs_are_refused_when_they_are_hostile(simple: Product) -> None:
    numbers = ["0", "-1", "007", "1.5", "", "٣", "1" * 21, "9" * 5000, "1\x00"]
    errors = refused(simple, *((each, "Name", f"slug-{n}") for n, each in enumerate(numbers)))
    assert list(errors.values()) == [[Problem(RowFault.NUMBER_UNUSABLE)]] * len(numbers)
    slugs = ["a\x00b", "", "x" * 10_000, "';--", "\ud800"]
    errors = refused(simple, *((n, "Name", each) for n, each in enumerate(slugs, 5)))
    assert list(errors.values()) == [[Problem(RowFault.SLUG_UNUSABLE)]] * len(slugs)


def test_nothing_is_stored_when_it_is_a_dry_run(simple: Product) -> None:
    assert run(simple, (5, "Name", "slug"), dry_run=True) == 1
    assert simple.backfillable() == []


def test_every_row_is_named_when_the_same_file_comes_again(simple: Product) -> None:
    rows = ((5, "Five", "five"), (6, "Six", "six"))
    run(simple, *rows)
    simple.delete(6)
    assert refused(simple, *rows) == {
        2: [Problem(RowFault.NUMBER_TAKEN, number=5)],
        3: [Problem(RowFault.NUMBER_TAKEN, number=6)],
    }


def test_many_rows_go_in_batches(product: Product) -> None:
    many = [(n, f"Tenant {n}", f"tenant-{n}") for n in range(1, 2_001)]
    with statements(product.engine) as seen:
        assert run(product, *many) == 2_000
    assert len(seen) < 30
