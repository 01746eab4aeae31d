"""Lists and search on both databases: every tenant once, in an index's order, found at once."""

import unicodedata

import pytest

from tests.factories import ACTOR, Product
from webapp.models.causes import Cause
from webapp.models.states import PartitionState
from webapp.partitions import summary
from webapp.tenants import list_pages
from webapp.tenants.list_orders import Place, order_of
from webapp.tenants.queries import TenantFilter

UNAWARE_INSERT = """
INSERT INTO tenant (id, name, slug, created_at, updated_at)
VALUES (9, 'Società Łódź', 'odz', '2026-01-01 00:00:00', '2026-01-01 00:00:00')
"""


def searched(product: Product, q: str, **wanted: object) -> list[str]:
    found = product.read(list_pages.search, TenantFilter(q=q, **wanted), 50)
    return [tenant.name for tenant in found.items]


def walked(product: Product, wanted: TenantFilter, size: int = 3) -> list[list[int]]:
    """The numbers on each page, from the first to the last."""
    order, pages, place = order_of(wanted), [], None
    while True:
        page = product.read(list_pages.walk, wanted, size, place)
        pages.append([tenant.id for tenant in page.items])
        if not page.has_behind:
            return pages
        place = Place(page.items[-1].id, order.key_of(page.items[-1]))


def seen(product: Product, wanted: TenantFilter) -> list[int]:
    """The numbers in the order in which somebody who turns the pages sees them."""
    return [number for page in walked(product, wanted) for number in page]


MULLER, QUOTED = "Müller & Söhne 50%", 'The "quoted" OR one'
HUAWEI, EMIR = "深圳华为科技有限公司", "İSTANBUL Diş"
NAMES = (
    *("Acme Foods", MULLER, QUOTED, HUAWEI, "Zürich Re", "Vertex Bank", "Straße 9", EMIR),
    *("Łódź", "ΟΔΟΣ Αθήνα", "КОРОЛЁВ", "ＡＢＣ　Ltd", "한국전력", "บริษัทกรุงไทย", "بنك مصر", "xyzx"),
)
FOUND = {
    **{"FOODS": ["Acme Foods"], "me fo": ["Acme Foods"], "food acm": ["Acme Foods"]},
    **{"ÜLLER": [MULLER], "soehne": [], "50%": [MULLER], "5_%": [], "e-50": [MULLER]},
    **{'"quoted"': [QUOTED], "OR one": [QUOTED], "NEAR(one)": [], "one\x00": []},
    **{"华为": [HUAWEI], "huawei": [HUAWEI], "科技 深圳": [HUAWEI], "为华": []},
    **{"ZURICH": ["Zürich Re"], "bank vertex": ["Vertex Bank"], "vertex vertex": ["Vertex Bank"]},
    **{"strasse": ["Straße 9"], "STRAẞE": ["Straße 9"], "istanbul": [EMIR], "DIS": [EMIR]},
    **{"lodz": ["Łódź"], "οδός": ["ΟΔΟΣ Αθήνα"], "королев": ["КОРОЛЁВ"], "abc lt": ["ＡＢＣ　Ltd"]},
    **{unicodedata.normalize("NFD", "국전"): ["한국전력"], "مِصر": ["بنك مصر"]},
    **{"กรุง": ["บริษัทกรุงไทย"]},
    # All runs of `yzxyz` are in `xyzx`, in another order.
    **{"yzxy": [], "oo": ["Acme Foods"], "ow": [], "d": [EMIR]},
    **{"a": ["Acme Foods", "ＡＢＣ　Ltd"], "深": [HUAWEI], "为": []},
}


def test_tenants_are_found_by_any_words_of_their_name_or_slug(product: Product) -> None:
    for name in NAMES:
        product.create(name)
    assert {q: searched(product, q) for q in FOUND} == FOUND


def test_a_tenant_is_found_when_an_earlier_version_wrote_it(product: Product) -> None:
    product.create("Zürich")
    product.create("Before")
    unaware = ["UPDATE tenant SET name = 'Genève SA' WHERE id = 2", UNAWARE_INSERT]
    for statement in unaware:
        product.write(statement)
    assert searched(product, "ve sa") == searched(product, "GENÈVE".lower()) == ["Genève SA"]
    assert (searched(product, "geneve"), searched(product, "lodz")) == ([], [])
    assert searched(product, "before") == ["Genève SA"], "its slug is the same"
    assert product.repair.fold_names() == 2
    assert not product.row(9).is_requested
    found = searched(product, "geneve"), searched(product, "LODZ")
    assert found == (["Genève SA"], ["Società Łódź"])
    assert product.repair.fold_names() == 0


def test_a_tenant_comes_first_when_its_own_number_is_asked_for(simple: Product) -> None:
    simple.create("Agenzia 2")
    simple.create("Borgo")
    for q in ("2", "#2", "tenant_2", "t2-g1-d1", " t2-g31-d4 "):
        assert searched(simple, q)[0] == "Borgo"


def test_a_tenant_is_found_by_its_new_name_alone_when_it_was_renamed(product: Product) -> None:
    tenant = product.create("Before")
    product.services.tenants.rename(tenant.id, name="Afterwards", slug="afterwards", actor=ACTOR)
    assert searched(product, "befo") == []
    assert searched(product, "wards") == ["Afterwards"]


def test_a_search_says_so_when_more_match_than_it_looks_at(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_pages, "MATCHES_AT_MOST", 3)
    for number in range(5):
        product.create(f"Many {number}")
    found = product.read(list_pages.search, TenantFilter(q="many"), 2, 2)
    assert (found.total, found.is_cut, len(found.items)) == (3, True, 1)
    few = product.read(list_pages.search, TenantFilter(q="many 3"), 2)
    assert (few.total, few.is_cut) == (1, False)


def test_a_search_keeps_to_the_filter_when_there_is_one(product: Product) -> None:
    waiting, failed = product.create("Acme waiting"), product.create("Acme failed")
    product.fail(failed, Cause.AUTH)
    product.services.tenants.delete(product.create("Acme gone").id, actor=ACTOR)
    assert searched(product, "acme") == ["Acme failed", waiting.name]
    assert searched(product, "acme", state=PartitionState.FAILED) == ["Acme failed"]
    assert searched(product, "acme", state=PartitionState.REMOVING) == ["Acme gone"]
    assert searched(product, "acme", cause=Cause.TIMEOUT) == []


def test_every_tenant_is_seen_once_when_a_list_is_walked(product: Product) -> None:
    failed = [product.create(f"Same {number % 2}").id for number in range(7)]
    for number in failed:
        product.fail(number, Cause.AUTH)
    product.change(failed[0], operation_id=1)
    product.change(failed[3], operation_id=1)
    before = product.imported_tenants(4, first=50)
    of_one_state = TenantFilter(state=PartitionState.FAILED, cause=Cause.AUTH)
    assert seen(product, TenantFilter()) == [*before, *failed[::2], *failed[1::2]]
    assert seen(product, of_one_state) == failed
    assert seen(product, TenantFilter(not_requested=True)) == before
    assert walked(product, TenantFilter(operation_id=1), 1) == [[failed[0]], [failed[3]]]


def test_a_list_is_walked_back_to_its_first_page(product: Product) -> None:
    numbers = product.imported_tenants(8, first=10)

    def ending(at: int) -> tuple[list[int], bool]:
        place = Place(numbers[at], f"Before {numbers[at]}", is_end=True)
        page = product.read(list_pages.walk, TenantFilter(), 3, place)
        return [tenant.id for tenant in page.items], page.has_before

    assert ending(6) == (numbers[3:6], True)
    assert ending(3) == (numbers[:3], False)
    # Fewer than a page stand before it: the first page, whole.
    assert ending(2) == (numbers[:3], False)


def test_a_list_begins_anew_when_its_place_is_none(product: Product) -> None:
    number = product.create("Acme").id
    wanted = TenantFilter(state=PartitionState.PENDING)
    for key in ("", "yesterday", "2026-01-01T00:00:00"):
        page = product.read(list_pages.walk, wanted, 3, Place(5, key))
        assert [tenant.id for tenant in page.items] == [number]


def test_tenants_are_listed_as_without_a_request_until_they_have_one(simple: Product) -> None:
    def missing() -> tuple[int, list[int]]:
        counted = simple.read(summary.summary, simple.settings)
        return counted.not_requested, walked(simple, TenantFilter(not_requested=True))[0]

    simple.create("Asked for")
    one, other, deleted = simple.imported_tenants(3, first=50)
    assert missing() == (3, [one, other, deleted])
    simple.backfill([one])
    simple.services.tenants.delete(deleted, actor=ACTOR)
    assert missing() == (1, [other])
    simple.services.tenants.restore(deleted, actor=ACTOR)
    assert missing() == (2, [other, deleted])
