"""When a collection is full, as far as its history tells; and who shows signs of life."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from jobs.drift.observations import Observation, record_observation
from tests.access import statements
from tests.factories import FaultyStore, Product, all_at_once
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Heartbeat
from webapp.models.observed import CollectionSize
from webapp.partitions.summary import headroom
from webapp.processes.beats import DUE, beat
from webapp.statistics.forecast import Forecast, forecasts
from webapp.statistics.liveness import Moments, moments


def observe(product: Product, partitions: int, *, days_ago: float = 0) -> None:
    """A look at the collection in use, so many days ago."""
    record_observation(product.database, Observation(product.collection, 4, partitions=partitions))
    if days_ago:
        at = utc_now() - timedelta(days=days_ago)
        of_today = update(CollectionSize).where(CollectionSize.day == utc_now().date())
        product.write(of_today.values(day=at.date(), observed_at=at))


def forecast_of(product: Product) -> Forecast:
    rooms = product.read(headroom, product.settings)
    return product.read(forecasts, rooms)[product.collection]


def test_the_day_is_told_when_the_collection_grows(product: Product) -> None:
    observe(product, 100, days_ago=40)  # Too long ago to say anything of the last 30 days.
    observe(product, 524, days_ago=20)
    observe(product, 600, days_ago=10)
    observe(product, 724)
    found = forecast_of(product)
    assert found.pace == pytest.approx(10, abs=0.01)
    assert (found.full_on, found.days_left) == (utc_now().date() + timedelta(days=30), 30)


@pytest.mark.parametrize("before", [723, 724, 900])
def test_no_day_is_told_when_the_collection_hardly_grows(simple: Product, before: int) -> None:
    large = simple.configured(milvus_max_partitions=1_000_000)
    observe(large, before, days_ago=20)
    observe(large, 724)
    found = forecast_of(large)
    assert found.pace is not None
    assert found.pace < 1
    assert found.full_on is None


def test_nothing_is_told_when_the_history_is_shorter_than_a_day(simple: Product) -> None:
    assert forecast_of(simple) == Forecast()
    observe(simple, 500, days_ago=0.4)
    observe(simple, 900)
    assert forecast_of(simple) == Forecast()


def test_the_last_size_of_a_day_stays_when_milvus_stops_answering(product: Product) -> None:
    observe(product, 500)
    observe(product, 510)
    silent = Observation(product.collection, 4, cause=Cause.TIMEOUT, error="slow")
    record_observation(product.database, silent)
    today = (product.collection, utc_now().date())
    assert product.read(Session.get_one, CollectionSize, today).partitions == 510


def test_the_forecast_asks_once_however_many_collections_there_are(simple: Product) -> None:
    for name in ("one", "two", "three"):
        record_observation(simple.database, Observation(name, 4, partitions=9))
    rooms = simple.read(headroom, simple.settings)
    with statements(simple.engine) as seen:
        assert len(simple.read(forecasts, rooms)) == 4
    assert len([line for line in seen if line.startswith("SELECT")]) == 1


def now_of(product: Product) -> Moments:
    return product.read(moments)


def test_a_heartbeat_is_written_once_when_it_beats_often(simple: Product) -> None:
    assert now_of(simple) == Moments(*[None] * 5, stopped={})
    reconciler = simple.reconciler(FaultyStore())
    with statements(simple.engine) as seen:
        for _ in range(5):
            reconciler.dispatch_due()
    assert len([line for line in seen if line.startswith("INSERT")]) == 1
    simple.lease("me").take(timedelta(seconds=9))
    assert now_of(simple).due is not None
    assert now_of(simple).swept is None
    simple.lease("me").release()
    assert now_of(simple).swept is not None


def test_the_newest_heartbeat_counts_when_several_processes_beat(product: Product) -> None:
    others = [Database(product.engine) for _ in range(4)]
    assert all_at_once([partial(beat, each, DUE) for each in others]) == [None] * 4
    product.write(update(Heartbeat).values(at=utc_now() - timedelta(hours=1)))
    beat(product.database, DUE)
    assert (due := now_of(product).due)
    assert utc_now() - due < timedelta(seconds=9)
