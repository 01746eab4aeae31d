"""When the canary runs, and what is kept of it."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from jobs.canary.schedule import CANARY, CanarySchedule
from jobs.drift.observations import Observation, record_observation
from tests.engines.process import wait_until
from tests.factories import ACTOR, Product, all_at_once
from tests.integration.test_canary import Leaking
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Brake
from webapp.models.observed import ObservedCollection
from webapp.models.states import CanaryOutcome
from webapp.partitions import summary
from webapp.partitions.isolation_checks import (
    CanaryReport,
    is_check_due,
    record_check,
    request_check,
)

PASSED = CanaryReport(CanaryOutcome.PASSED, "fine")


def schedule(product: Product, store: Leaking | None = None) -> CanarySchedule:
    return CanarySchedule(product.services, store or product.store, product.settings)


def look(product: Product) -> None:
    """Let the sweep have seen the collection."""
    record_observation(product.database, Observation(product.collection, 1, partitions=1))


def shown(product: Product) -> summary.LastCanary | None:
    return product.read(summary.headroom, product.settings)[0].canary


def test_check_is_due_when_the_collection_was_seen_and_after_each_pause(product: Product) -> None:
    database = product.database
    assert not is_check_due(database, product.collection)
    look(product)
    assert is_check_due(database, product.collection)
    assert shown(product) is None
    record_check(database, product.collection, PASSED)
    seen = shown(product)
    assert seen is not None
    assert (seen.outcome, seen.message) == ("passed", "fine")
    look(product)
    assert shown(product) == seen
    assert not is_check_due(database, product.collection)
    past = utc_now() - timedelta(seconds=1)
    product.write(update(ObservedCollection).values(canary_due_at=past))
    assert is_check_due(database, product.collection)


def test_first_check_in_a_row_that_could_not_be_made_is_kept(simple: Product) -> None:
    not_run = CanaryReport(CanaryOutcome.NOT_RUN, "timeout")
    look(simple)
    record_check(simple.database, simple.collection, not_run)
    first = shown(simple)
    assert first and first.not_run_since == first.at
    record_check(simple.database, simple.collection, not_run)
    second = shown(simple)
    assert second and second.not_run_since == first.at < second.at
    record_check(simple.database, simple.collection, PASSED)
    last = shown(simple)
    assert last and last.not_run_since is None


def test_no_probe_is_made_behind_a_brake(simple: Product) -> None:
    look(simple)
    seen = {"reason": Cause.COLLECTION_REPLACED, "since": utc_now(), "gone": 3, "proven": 3}
    with simple.database.transaction() as session:
        session.add(Brake(collection=simple.collection, **seen))
    nobody: Any = None
    checks = CanarySchedule(simple.services, nobody, simple.settings)
    assert checks.run_if_due() is None
    report = checks.run_now()
    assert (report.outcome, "brake" in report.message) == (CanaryOutcome.NOT_RUN, True)


def test_check_is_due_again_when_an_operator_asks(simple: Product) -> None:
    database, collection = simple.database, simple.collection
    assert not request_check(database, collection, actor=ACTOR)
    look(simple)
    record_check(database, collection, PASSED)
    assert request_check(database, collection, actor=ACTOR)
    assert is_check_due(database, collection)
    (entry,) = simple.audited()
    assert (entry.action, entry.actor) == ("partitions.check_isolation", ACTOR.name)
    assert entry.target == f"collection {collection}"


def test_one_checks_when_eight_find_it_due(whole: Product) -> None:
    look(whole)
    reports = all_at_once([schedule(whole).run_if_due for _ in range(8)])
    assert [report.outcome for report in reports if report] == ["passed"]


def test_check_waits_for_its_turn_when_another_is_at_it(whole: Product) -> None:
    assert whole.lease("another", CANARY).take(timedelta(seconds=60))
    reports: list[CanaryReport] = []
    checking = threading.Thread(target=lambda: reports.append(schedule(whole).run_now()))
    checking.start()
    assert schedule(whole).run_if_due() is None
    assert reports == []
    whole.lease("another", CANARY).release()
    checking.join(20)
    assert [report.outcome for report in reports] == ["passed"]


def test_error_is_logged_when_isolation_is_broken(
    whole: Product, caplog: pytest.LogCaptureFixture
) -> None:
    assert schedule(whole, Leaking(whole.store, "query")).run_now().outcome == "failed"
    (told,) = [record for record in caplog.records if "milvus.canary.failed" in str(record.msg)]
    assert told.levelname == "ERROR"
    assert "another partition" in str(told.msg)
    seen = shown(whole)
    assert seen is not None
    assert seen.outcome == "failed"


def test_check_is_not_run_when_its_answers_are_not_understood(whole: Product) -> None:
    class Odd(Leaking):
        def call(self, request: object) -> object:
            return {}

    report = schedule(whole, Odd(whole.store, "")).run_now()
    assert (report.outcome, "does not understand" in report.message) == ("not_run", True)


def test_reconciler_checks_by_itself_when_it_runs(whole: Product) -> None:
    quick = whole.configured(reconcile_interval=0.2)
    # The store is closed at the end of the run, which only makes it connect again.
    with quick.reconciling(whole.store):
        seen = wait_until(lambda: shown(quick), 20, "the first check")
    assert seen.outcome == "passed", seen.message
