"""Taking over tenants from a file: all or nothing, numbers kept, no wish made."""

import pytest

from tests.factories import ACTOR, Product, statements
from webapp.tenants.imports import ImportRefused, ImportRow
from webapp.tenants.naming import MAX_TENANT_ID


def rows(*values: tuple[object, str, str]) -> list[ImportRow]:
    return [ImportRow(line, str(i), n, s) for line, (i, n, s) in enumerate(values, 2)]


def run(product: Product, *values: tuple[object, str, str], dry_run: bool = False) -> int:
    return product.domain.imports.run(rows(*values), dry_run=dry_run, actor=ACTOR)


def refused(product: Product, *values: tuple[object, str, str]) -> list[str]:
    with pytest.raises(ImportRefused) as caught:
        run(product, *values)
    return caught.value.errors


def test_numbers_are_kept_and_no_wish_is_made_when_a_file_is_imported(product: Product) -> None:
    assert run(product, (7, "Acme", "acme"), (4000, "Other", "other")) == 2
    assert product.domain.backfill.plan().tenant_ids == [7, 4000]
    assert product.states() == []


def test_later_numbers_lie_above_when_a_file_was_imported(product: Product) -> None:
    product.create("First")
    run(product, (4000, "Acme", "acme"), (12, "Low", "low"))
    assert product.create("Next").id == 4001
    run(product, (13, "Lower", "lower"))
    assert product.create("Next").id > 4001


def test_numbers_are_left_for_others_when_a_file_holds_a_huge_one(product: Product) -> None:
    errors = refused(product, (MAX_TENANT_ID, "Last", "last"))
    assert "must be a number from 1 to" in errors[0]
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
    named = ["line 3: id 100", "line 4: name", "line 5: slug", "line 6: slug", "line 7: id"]
    named += ["line 8: slug taken", "line 9: id 'x'"]
    for start in named:
        assert [error for error in errors if error.startswith(start)] != [], start
    assert len(errors) == len(named)
    assert product.domain.backfill.plan().tenant_ids == []


@pytest.mark.parametrize(
    "number", ["0", "-1", "007", "1.5", "", "٣", "1" * 21, "9" * 5000, "1\x00"]
)
def test_number_is_refused_when_it_is_hostile(product: Product, number: str) -> None:
    errors = refused(product, (number, "Name", "slug"))
    assert len(errors) == 1
    assert errors[0].startswith("line 2: id ")


@pytest.mark.parametrize("slug", ["a\x00b", "", "x" * 10_000, "';--", "\ud800"])
def test_slug_is_refused_when_it_is_hostile(product: Product, slug: str) -> None:
    (error,) = refused(product, (5, "Name", slug))
    assert error.startswith("line 2: slug ")


def test_nothing_is_stored_when_it_is_a_dry_run(product: Product) -> None:
    assert run(product, (5, "Name", "slug"), dry_run=True) == 1
    assert product.domain.backfill.plan().tenant_ids == []


def test_every_row_is_named_when_the_same_file_comes_again(product: Product) -> None:
    run(product, (5, "Five", "five"), (6, "Six", "six"))
    assert sorted(refused(product, (5, "Five", "five"), (6, "Six", "six"))) == [
        "line 2: id 5 is taken",
        "line 2: slug five is taken",
        "line 3: id 6 is taken",
        "line 3: slug six is taken",
    ]


def test_number_is_refused_when_its_tenant_was_deleted(product: Product) -> None:
    tenant = product.create(slug="gone")
    product.domain.tenants.delete(tenant.id, actor=ACTOR)
    assert refused(product, (tenant.id, "Again", "gone")) == [f"line 2: id {tenant.id} is taken"]


def test_twenty_thousand_rows_go_in_batches(product: Product) -> None:
    many = [(n, f"Tenant {n}", f"tenant-{n}") for n in range(1, 20_001)]
    with statements(product.engine) as seen:
        assert run(product, *many) == 20_000
    assert len(seen) < 200
