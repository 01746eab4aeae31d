"""What charts are drawn from: nothing is lost and nothing counted twice, whoever counts when."""

from datetime import timedelta
from typing import Any

import pytest

from jobs.reconciler import rollup
from jobs.reconciler.event_counts import count
from jobs.reconciler.rollup import Rollup
from tests.access import statements
from tests.factories import ACTOR, Product, all_at_once
from tests.integration.domain.activity_log import (
    ago,
    charted,
    failure,
    forget_counts,
    lives,
    mark,
    stored,
    tell,
    totals,
)
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.partitions import events
from webapp.partitions.requests import BACKFILLED
from webapp.statistics.chart import Span

# Out of the way of those that tests make.
FIRST = 101
NUMBERS = range(FIRST, FIRST + 8)


@pytest.fixture(autouse=True)
def _tenants(request: pytest.FixtureRequest) -> None:
    name = "simple" if "simple" in request.fixturenames else "product"
    request.getfixturevalue(name).imported_tenants(len(NUMBERS), FIRST)


def another(product: Product) -> Rollup:
    return Rollup(Database(product.engine), product.services.policy)


def wide(product: Product) -> list[tuple[Any, ...]]:
    return [row for row in stored(product) if row[0] != "minute"]


def test_sign_ups_and_how_long_they_took_are_counted(product: Product) -> None:
    tell(product, lives([101, 102, 103], ago(minutes=3), took_s=2))
    tell(product, lives([104], ago(minutes=2), took_s=40))
    product.rollup.roll_up()
    for span in Span:
        assert totals(product, span) == (4, 4, 0)
        total = charted(product, span).total
        assert total.p50_s == pytest.approx(2, rel=0.42)
        assert total.p95_s == pytest.approx(40, rel=0.42)


def test_counting_again_changes_nothing_when_nothing_was_added(product: Product) -> None:
    tell(product, lives(NUMBERS, ago(minutes=3)))
    product.rollup.roll_up()
    before = stored(product)
    assert len(before) >= 3
    assert product.rollup.roll_up() == 0
    assert another(product).roll_up() > 0
    forget_counts(product)
    another(product).roll_up()
    assert stored(product) == before


def test_an_entry_is_counted_when_it_commits_after_later_ones(product: Product) -> None:
    tell(product, lives([101], ago(minutes=1)))
    product.rollup.roll_up()
    tell(product, lives([102, 103], ago(minutes=4)))
    product.rollup.roll_up()
    assert totals(product) == (3, 3, 0)
    assert totals(product, Span.WEEK) == (3, 3, 0)


def test_what_happened_is_made_up_for_when_nobody_counted_for_weeks(
    simple: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "HOURS_AT_ONCE", 2)
    tell(simple, lives([101], ago(days=40)))
    tell(simple, lives([102], ago(days=30)))
    tell(simple, lives([103], ago(days=6)))
    tell(simple, lives([104], ago(hours=20)))
    tell(simple, lives([105], ago(minutes=20)))
    for _ in range(4):
        simple.rollup.roll_up()
    assert totals(simple, Span.WEEK) == (3, 3, 0)
    assert totals(simple, Span.DAY) == (2, 2, 0)
    assert totals(simple) == (1, 1, 0)
    hours = [row for row in stored(simple) if row[0] == "hour"]
    assert len(hours) == 4  # Who signed up 40 days ago is not asked for any more.
    assert utc_now() - mark(simple) < timedelta(seconds=30)


@pytest.mark.parametrize("minutes", [7, 45, 75, 200])
def test_nothing_is_lost_or_doubled_when_the_counting_paused(
    simple: Product, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = utc_now()
    monkeypatch.setattr(rollup, "utc_now", lambda: now - timedelta(minutes=minutes))
    tell(simple, lives([101, 102], ago(minutes=minutes + 20)))
    tell(simple, lives([103], ago(minutes=minutes + 1)))
    simple.rollup.roll_up()
    monkeypatch.setattr(rollup, "utc_now", lambda: now)
    tell(simple, lives([104], ago(minutes=minutes - 1)))
    tell(simple, lives([105], ago(minutes=1)))
    simple.rollup.roll_up()
    simple.rollup.roll_up()
    assert totals(simple, Span.DAY) == totals(simple, Span.WEEK) == (5, 5, 0)
    counted = wide(simple)
    forget_counts(simple)
    for _ in range(2):
        another(simple).roll_up()
    assert wide(simple) == counted


def test_nobody_puts_old_counts_over_newer_ones_when_two_count(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(product, lives([101], ago(minutes=2)))
    product.rollup.roll_up()
    tell(product, lives([102], ago(minutes=2)))

    def overtaken(*arguments: object) -> object:
        old = count(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(rollup, "count", count)
        tell(product, lives([103, 104], ago(minutes=2)))
        assert another(product).roll_up() > 0
        return old

    monkeypatch.setattr(rollup, "count", overtaken)
    assert product.rollup.roll_up() == 0
    assert totals(product) == (4, 4, 0)


def test_each_is_counted_once_when_many_count_at_once(product: Product) -> None:
    rollups = [another(product) for _ in range(4)]
    for numbers in ([101, 102], [103, 104], [105, 106, 107]):
        tell(product, lives(numbers, ago(minutes=1)))
        outcomes = all_at_once([roll_up.roll_up for roll_up in rollups])
        assert all(isinstance(outcome, int) for outcome in outcomes), outcomes
    product.rollup.roll_up()
    assert totals(product) == totals(product, Span.WEEK) == (7, 7, 0)


def test_a_need_fails_once_however_often_it_is_tried(product: Product) -> None:
    tenant = product.create("Unlucky")
    product.ask_earlier(tenant, 300)
    product.fail(tenant, Cause.TIMEOUT)
    assert product.event_names(tenant).count("create_failed") == 3
    for _ in range(3):
        product.age(tenant, "reopen_at")
        product.repair.reopen(product.collection, [])
        product.fail(tenant, Cause.TIMEOUT)
    product.rollup.roll_up()
    assert totals(product) == (1, 0, 1)
    product.services.tenants.retry(tenant.id, actor=ACTOR)
    product.fail(tenant, Cause.TIMEOUT)
    product.rollup.roll_up()
    assert totals(product) == (1, 0, 1)


def test_a_request_is_measured_from_when_it_was_made(simple: Product) -> None:
    tenant = simple.create("Unlucky")
    simple.ask_earlier(tenant, 300)
    simple.fail(tenant, Cause.TIMEOUT)
    simple.age(tenant, "reopen_at")
    simple.repair.reopen(simple.collection, [])
    simple.make_ready(tenant)
    simple.rollup.roll_up()
    assert totals(simple) == (1, 1, 1)
    # It has waited since it was asked for, not since the sweep's last try.
    assert charted(simple).total.p50_s == pytest.approx(300, rel=0.42)


def test_the_timeline_tells_of_a_request_when_the_row_has_gone_on(simple: Product) -> None:
    tenant = simple.create_failed(Cause.TIMEOUT, "Gone")
    simple.services.tenants.retry(tenant.id, actor=ACTOR)
    simple.make_ready(tenant)
    simple.delete(tenant)
    entries = lives([101], ago(minutes=2), took_s=20)
    simple.rollup.roll_up()
    before = totals(simple)
    tell(simple, [*entries, failure(102, ago(minutes=1)), failure(103, ago(minutes=1), attempt=1)])
    simple.rollup.roll_up()
    assert before == (1, 1, 1)
    assert totals(simple) == (2, 2, 2)
    assert charted(simple).total.p95_s == pytest.approx(20, rel=0.42)


def test_imported_tenants_did_not_sign_up_when_a_backfill_asks_for_them(simple: Product) -> None:
    imported = {"tenant_id": 101, "event": events.REQUESTED, "message": BACKFILLED}
    tell(simple, [imported | {"at": ago(minutes=1)}, *lives([102], ago(minutes=1))])
    simple.rollup.roll_up()
    assert totals(simple) == (1, 1, 0)


def test_old_buckets_are_forgotten_when_wider_ones_have_their_counts(simple: Product) -> None:
    tell(simple, lives([101], ago(hours=60)))
    tell(simple, lives([102], ago(hours=5)))
    for _ in range(3):
        simple.rollup.roll_up()
    kept = [row[0] for row in stored(simple)]
    assert (kept.count("minute"), kept.count("quarter"), kept.count("hour")) == (0, 1, 2)


def test_counting_asks_as_much_when_much_more_happened(product: Product) -> None:
    def cost(times: int) -> int:
        for n in range(times):
            tell(product, lives(NUMBERS, ago(minutes=2, seconds=n / times)))
        with statements(product.engine) as seen:
            product.rollup.roll_up()
        return len([line for line in seen if not line.startswith(("BEGIN", "FETCH"))])

    few = cost(1)
    assert cost(100) <= few <= 25
    assert totals(product)[0] == 101 * len(NUMBERS)
