"""The one list of conditions: each is present while its observations say so, and no longer."""

import json
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from jobs.drift.brake import Sight, engage
from tests.engines.process import wait_until
from tests.factories import ACTOR, Product
from tests.integration.domain.commands import Run, answer
from tests.processes import all_alive, process
from webapp.cli import doctor
from webapp.conditions import log as condition_log
from webapp.conditions.condition import Condition, Part
from webapp.conditions.judgement import Own, present_conditions
from webapp.conditions.kinds import KINDS
from webapp.conditions.log import ConditionLog, of_refusal
from webapp.conditions.words import sentence, serialize
from webapp.db.schema_revision import Schema, wanted_revision
from webapp.db.types import utc_now
from webapp.halts.brake_state import brakes
from webapp.halts.circuit_state import MILVUS
from webapp.models.causes import Cause
from webapp.models.condition import Severity
from webapp.models.control import Brake, Circuit, Heartbeat, Installation
from webapp.models.observed import CollectionSize, ObservedCollection, PartitionDrift
from webapp.models.operation import Operation, OperationKind
from webapp.models.process import Process, ProcessKind
from webapp.models.retention import Retention
from webapp.models.states import CanaryOutcome, DriftKind, PartitionState
from webapp.partitions.orphans import list_orphans
from webapp.partitions.summary import summary
from webapp.processes.gaps import last_gap, note_gap
from webapp.processes.heartbeat import ProcessHeartbeat
from webapp.processes.liveness import processes
from webapp.times import rfc3339

LOCKED = OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))
LOCKED.orig.sqlite_errorcode = sqlite3.SQLITE_BUSY  # type: ignore[union-attr]


def store(product: Product, *rows: Any) -> None:
    with product.database.transaction() as session:
        for row in rows:
            session.merge(row)


def observed(product: Product, seen_s_ago: float = 0, **values: Any) -> ObservedCollection:
    """The collection in use as the sweep saw it, but for these values."""
    at = utc_now() - timedelta(seconds=seen_s_ago)
    moments = dict.fromkeys(("observed_at", "answered_at", "compared_at", "canary_at"), at)
    seen = {**moments, "partitions": 7, "canary_outcome": CanaryOutcome.PASSED}
    blank = {"cause": None, "canary_message": None, "canary_not_run_since": None}
    return ObservedCollection(collection=product.collection, **blank | seen | values)


def drift(product: Product, kind: DriftKind) -> PartitionDrift:
    return PartitionDrift(collection=product.collection, partition=f"p_{kind}", kind=kind)


@pytest.fixture
def well(product: Product) -> Product:
    """An installation in which all is as it should be."""
    store(product, *all_alive(), observed(product))
    return product


def ago(seconds: float) -> datetime:
    return utc_now() - timedelta(seconds=seconds)


def present(product: Product) -> list[Condition]:
    found: list[Condition] = product.read(present_conditions, product.settings)
    return found


def test_there_is_no_condition_when_all_is_well(well: Product) -> None:
    well.create_ready()
    assert present(well) == []


def _fails(cause: Cause) -> Callable[[Product], object]:
    return lambda product: product.create_failed(cause)


def _stores(make: Callable[[Product], Any]) -> Callable[[Product], object]:
    return lambda product: store(product, make(product))


def _circuit(_product: Product) -> Circuit:
    return Circuit(name=MILVUS, failures=3, opened_at=utc_now(), cause=Cause.TIMEOUT)


def _misses(product: Product) -> None:
    gone = {"state": PartitionState.MISSING, "waiting_since": utc_now()}
    product.change(product.create_ready(), **gone)


def _loses(product: Product) -> None:
    product.change(product.create_ready(), rows_lost_at=utc_now())


def brake(product: Product, **values: Any) -> Brake:
    seen = {"reason": Cause.PARTITIONS_GONE, "since": utc_now(), "gone": 12, "proven": 20}
    return Brake(collection=product.collection, **seen | values)


def not_run(since_s_ago: float) -> dict[str, Any]:
    """The last checks of the isolation could not be made."""
    return {"canary_outcome": CanaryOutcome.NOT_RUN, "canary_not_run_since": ago(since_s_ago)}


def _restored(_product: Product) -> Installation:
    return Installation(id=1, nonce="n", identity="i", restored_at=utc_now(), reason="files")


def _operation(_product: Product) -> Operation:
    began = utc_now() - timedelta(hours=1)
    values = {"kind": OperationKind.RETRY, "actor": "me", "via": ACTOR.via, "selection": "{}"}
    return Operation(asked_at=began, **values)


def _stalled(_product: Product) -> Retention:
    at = utc_now()
    why = {"failed_at": at, "error": "ARCHIVE_DIR /x cannot be written: No such file or directory"}
    return Retention(name="audit_entry", cut_off=at, position=0, pruned=0, began_at=at, **why)


STORIES: dict[str, Callable[[Product], object]] = {
    "milvus_down": _stores(_circuit),
    "milvus_credentials": _stores(lambda p: observed(p, cause=Cause.AUTH)),
    "collection_missing": _stores(lambda p: observed(p, cause=Cause.COLLECTION_MISSING)),
    "alias_moved": _stores(lambda p: observed(p, cause=Cause.COLLECTION_MOVED)),
    "milvus_trouble": _stores(lambda p: observed(p, cause=Cause.PARTITION_KEY_MODE)),
    "milvus_unobserved": _stores(lambda p: observed(p, 3600, canary_at=utc_now())),
    "isolation_broken": _stores(
        lambda p: observed(p, canary_outcome=CanaryOutcome.FAILED, canary_message="3 rows")
    ),
    "isolation_unchecked": _stores(
        lambda p: observed(p, canary_message="no index", **not_run(660))
    ),
    "collection_full": _stores(lambda p: observed(p, partitions=1024)),
    "collection_filling": _stores(lambda p: observed(p, partitions=900)),
    "partitions_orphaned": _stores(lambda p: drift(p, DriftKind.ORPHAN)),
    "partitions_missing": _misses,
    "rows_may_be_lost": _loses,
    "brake_engaged": _stores(brake),
    "database_restored": _stores(_restored),
    "partitions_resurrected": _stores(lambda p: drift(p, DriftKind.RESURRECTED)),
    "redis_down": _stores(lambda p: process(redis="down")),
    "redis_refuses_writes": _stores(lambda p: process(redis="memory")),
    "no_workers": _stores(lambda p: process(ProcessKind.WORKER, 20, name="the-worker")),
    "no_reconciler": _stores(lambda p: process(ProcessKind.RECONCILER, 20, name="the-reconciler")),
    "process_silent": _stores(lambda p: process(ProcessKind.WEB, 20)),
    "workers_suspended": _stores(lambda p: process(redis="suspended")),
    "reconciler_stalled": _stores(
        lambda p: Heartbeat(name="due", at=utc_now() - timedelta(seconds=30))
    ),
    "settings_disagree": _stores(lambda p: process(settings={"MILVUS_COLLECTION": "another"})),
    "releases_differ": _stores(lambda p: process(release="0.0.9")),
    "provisioning_paused": lambda p: p.services.pauses.pause("work", actor=ACTOR),
    "tenants_failed": _fails(Cause.CAPACITY),
    "foreign_data": _fails(Cause.FOREIGN_DATA),
    "tenants_waiting": lambda p: p.create(),
    "tenants_not_requested": lambda p: p.imported_tenants(1),
    "operation_unfinished": _stores(_operation),
    "retention_stalled": _stores(_stalled),
}


@pytest.mark.parametrize("key", STORIES)
def test_a_condition_is_present_when_its_observations_say_so(well: Product, key: str) -> None:
    STORIES[key](well)
    (condition,) = [each for each in present(well) if each.key == key]
    told = serialize(condition)
    assert "%(" not in told["sentence"] and told["since"] is not None
    assert told["runbook"].endswith(f"#{key}")


def test_nothing_is_told_of_the_room_and_orphans_of_a_collection_that_does_not_exist(
    well: Product,
) -> None:
    a_month_ago = utc_now() - timedelta(days=29)
    before = {"collection": well.collection, "day": a_month_ago.date(), "partitions": 1}
    store(well, CollectionSize(observed_at=a_month_ago, **before), drift(well, DriftKind.ORPHAN))
    store(well, observed(well, partitions=1023))
    assert [each.key for each in present(well)] == ["collection_filling", "partitions_orphaned"]
    for cause in (Cause.COLLECTION_MISSING, Cause.COLLECTION_REPLACED):
        store(well, observed(well, partitions=1023, cause=cause))
        keys = {each.key for each in present(well)}
        assert keys.isdisjoint({"collection_filling", "partitions_orphaned"})
        (room,) = well.read(summary, well.settings).collections
        assert (room.used, room.left) == (None, None)
        assert well.read(list_orphans) == []
    # The decisions about them are kept, for the case that it comes back.
    store(well, observed(well))
    assert [each.key for each in present(well)] == ["partitions_orphaned"]
    assert len(well.read(list_orphans)) == 1


def test_a_brake_is_told_whatever_was_observed_since(well: Product) -> None:
    store(well, brake(well, reason=Cause.COLLECTION_MISSING))
    for cause in (Cause.COLLECTION_MISSING, Cause.TIMEOUT, None):
        store(well, observed(well, cause=cause))
        assert "brake_engaged" in [each.key for each in present(well)]


def test_missing_collection_is_one_alarm_with_its_consequences(well: Product) -> None:
    well.create_failed(Cause.COLLECTION_MISSING)
    gone = {"state": PartitionState.MISSING, "waiting_since": utc_now()}
    well.change(well.create_ready(), **gone, cause=Cause.COLLECTION_MISSING)
    seen = observed(well, cause=Cause.COLLECTION_MISSING)
    store(well, brake(well, reason=Cause.COLLECTION_MISSING, gone=1, proven=1), seen)
    alarm, *others = present(well)
    assert (alarm.key, alarm.severity) == ("collection_missing", Severity.DANGER)
    assert "nothing is made again or dropped there" in sentence(alarm.text)
    keys = {"brake_engaged", "partitions_missing", "tenants_failed"}
    assert {each.key for each in others} == keys
    assert {each.severity for each in others} == {Severity.INFO}
    assert [each for each in present(well) if each.needs_human] == [alarm]
    told = " ".join(serialize(each)["what_to_do"] for each in others)
    assert "make-again" not in told
    # Milvus is silent: what was known is still told, with what can be done.
    store(well, observed(well, cause=Cause.TIMEOUT))
    (told_brake,) = [each for each in present(well) if each.key == "brake_engaged"]
    assert told_brake.severity == Severity.DANGER
    assert serialize(told_brake)["what_to_do"] == Cause.COLLECTION_MISSING.advice.remedy


def test_partitions_that_no_brake_holds_are_an_alarm_of_their_own(well: Product) -> None:
    _misses(well)
    store(well, brake(well, gone=1))
    (held,) = [each for each in present(well) if each.key == "partitions_missing"]
    assert held.severity == Severity.INFO
    store(well, brake(well, gone=0))
    (free,) = [each for each in present(well) if each.key == "partitions_missing"]
    assert (free.severity, free.remedy) == (Severity.WARNING, None)


def test_brake_and_refused_credentials_are_told_as_what_they_are(well: Product) -> None:
    store(well, brake(well), observed(well, cause=Cause.AUTH))
    (refused,) = [each for each in present(well) if each.key == "milvus_credentials"]
    assert "missing" not in sentence(refused.text)


@pytest.mark.parametrize(
    ("found_id", "words"), [(0, "as if the collection had been made anew"), (7, "not the one")]
)
def test_loss_of_all_is_not_called_another_collection_where_that_is_not_known(
    well: Product, found_id: int, words: str
) -> None:
    seen = {"gone": 15, "proven": 15, "found_name": "c", "found_id": found_id}
    store(well, brake(well, reason=Cause.COLLECTION_REPLACED, **seen))
    (told,) = present(well)
    assert words in sentence(told.text)
    assert "flask partitions brake --make-again COLLECTION" in sentence(told.what_to_do)


def test_brake_is_raised_again_when_it_means_something_else(well: Product) -> None:
    log = ConditionLog(well.database, well.settings, Schema(well.database))
    stages = (
        (Cause.COLLECTION_MISSING, Cause.COLLECTION_MISSING, ["collection_missing"]),
        (Cause.COLLECTION_REPLACED, None, ["brake_engaged"]),
        (Cause.COLLECTION_REPLACED, None, []),
        (Cause.PARTITIONS_GONE, None, ["brake_engaged"]),
    )
    for reason, cause, raised in stages:
        store(well, observed(well, cause=cause))
        assert engage(well.database, Sight(well.collection, utc_now(), reason, 12, 12))
        with capture_logs() as logs:
            log._store(present(well))
        events = [line for line in logs if line["event"] == "paratia.condition.raised"]
        assert [line["key"] for line in events] == raised
        began = [line["since"] for line in events if line["key"] == "brake_engaged"]
        assert began in ([], [well.read(brakes)[0].since.isoformat()])


def test_orphans_say_nothing_against_milvus(well: Product) -> None:
    for kind in (DriftKind.ORPHAN, DriftKind.RESURRECTED):
        store(well, drift(well, kind))
    assert {each.part for each in present(well)} == {Part.TENANTS}


def test_a_dead_worker_is_silent_until_another_one_replaces_it(well: Product) -> None:
    store(well, process(ProcessKind.WORKER, 20, name="lost"))
    (lost,) = present(well)
    assert (lost.key, lost.subject, lost.count) == ("process_silent", "worker", 1)
    store(well, process(ProcessKind.WORKER, 16, name="later", started_at=ago(17)))
    (lost,) = present(well)
    assert lost.count == 1, "the later one replaced the first, and was lost itself"
    store(well, process(ProcessKind.WORKER, started_at=ago(1)))
    assert present(well) == []


def test_no_process_counts_as_silent_where_none_can_store_its_sign_of_life(well: Product) -> None:
    well.write("DELETE FROM process")
    store(well, observed(well, 3600, canary_at=utc_now()))
    own = Own([of_refusal(LOCKED)], is_blind=True)
    (refused,) = well.read(present_conditions, well.settings, own)
    assert refused.key == "database_refuses_writes"
    assert "holds the lock" in sentence(refused.text)
    assert "end its transaction" in sentence(refused.what_to_do)


def test_outage_of_milvus_has_one_beginning_when_circuit_and_sweep_tell_it(well: Product) -> None:
    answered = ago(20)
    told = []
    for sweep in (
        {"answered_at": answered},
        {"answered_at": answered, "cause": Cause.TIMEOUT},
    ):
        store(well, observed(well, **sweep), _circuit(well))
        (outage,) = present(well)
        told.append(outage.since)
    well.write("DELETE FROM circuit")
    (outage,) = present(well)
    assert [*told, outage.since] == [answered] * 3


def test_check_of_the_isolation_that_fell_into_an_outage_is_no_condition(well: Product) -> None:
    store(well, observed(well, canary_message="timeout", **not_run(310)))
    assert present(well) == []
    store(well, observed(well, canary_at=ago(4 * 3600)))
    assert [each.key for each in present(well)] == ["isolation_unchecked"]


@pytest.mark.parametrize("kind", [ProcessKind.WORKER, ProcessKind.RECONCILER])
def test_restart_of_the_only_process_of_its_kind_is_no_condition(
    well: Product, kind: ProcessKind
) -> None:
    well.write(f"DELETE FROM process WHERE kind = '{kind}'")
    heartbeat = ProcessHeartbeat(well.database, well.settings, kind)
    heartbeat.start()
    wait_until(lambda: len(well.read(processes).of(kind)) == 1, 10, "a sign of life")
    heartbeat.stop()
    assert (well.read(processes).of(kind), present(well)) == ([], [])
    stopped = ago(60)
    with well.database.transaction() as session:
        session.execute(update(Heartbeat).where(Heartbeat.name.like("%stop%")).values(at=stopped))
    (lacking,) = present(well)
    assert (lacking.key, lacking.since) == (f"no_{kind}" + "s" * (kind == "worker"), stopped)


@pytest.mark.parametrize("kind", [ProcessKind.WORKER, ProcessKind.RECONCILER])
def test_the_last_process_of_its_kind_is_named_when_it_gives_no_sign_of_life(
    well: Product, kind: ProcessKind
) -> None:
    store(well, process(kind, 20, name=f"the-{kind}", pid=77))
    (lacking,) = present(well)
    assert "pid 77 on host-1" in sentence(lacking.text)


def test_the_process_whose_settings_differ_is_named(well: Product) -> None:
    odd = {"pid": 77, "host": "host-9"}
    store(well, process(settings={"PARTITION_ATTEMPTS": "another"}, **odd))
    (dispute,) = present(well)
    told = sentence(dispute.text)
    assert "PARTITION_ATTEMPTS" in told and "worker with pid 77 on host-9" in told
    assert "moved" not in told and dispute.severity == Severity.WARNING
    store(well, process(settings={"MILVUS_COLLECTION": "another"}, name="later", **odd))
    (dispute,) = present(well)
    assert "moved" in sentence(dispute.text) and dispute.severity == Severity.DANGER


@pytest.fixture
def after_a_gap(well: Product) -> Callable[[float], None]:
    """The database was away for a minute, until so many seconds ago; one process is back."""

    def away(back_s_ago: float) -> None:
        away_s_ago = back_s_ago + 60
        store(well, *all_alive(away_s_ago), observed(well, away_s_ago, canary_at=utc_now()))
        first = process(ProcessKind.WEB, away_s_ago, name="the-web")
        with well.database.transaction() as session:
            note_gap(session, ago(back_s_ago))
            session.merge(process(ProcessKind.WEB, back_s_ago, name=first.name))

    return away


def test_no_process_is_silent_before_it_could_show_itself_again(
    well: Product, after_a_gap: Callable[[float], None]
) -> None:
    store(well, process(ProcessKind.WORKER, 200, name="dead before", pid=77))
    after_a_gap(3)
    (dead,) = present(well)
    assert (dead.key, dead.count) == ("process_silent", 1)
    assert "77" in sentence(dead.text)
    after_a_gap(16)
    assert {"no_workers", "no_reconciler"} <= {each.key for each in present(well)}


def test_a_process_is_not_forgotten_before_it_could_show_itself_again(well: Product) -> None:
    first = ProcessHeartbeat(well.database, well.settings, ProcessKind.WEB)
    first.beat()
    well.write("UPDATE process SET seen_at = '2020-01-01 00:00:00+00:00'")
    first._stored_at = ago(7200)
    for _ in range(2):
        first.beat()
        assert len(well.read(processes).of(ProcessKind.WORKER)) == 1
    first._back_at = ago(16)
    first.beat()
    assert len(well.read(processes).alive) == 1


def test_the_gap_is_no_ones_who_was_frozen_alone(well: Product) -> None:
    frozen = ProcessHeartbeat(well.database, well.settings, ProcessKind.WEB)
    frozen.beat()
    frozen._stored_at = ago(60)
    frozen.beat()
    assert well.read(last_gap) is None
    well.write("UPDATE process SET seen_at = '2020-01-01 00:00:00+00:00'")
    frozen._stored_at = ago(60)
    frozen.beat()
    assert well.read(last_gap) is not None


def test_a_replaced_process_stays_so_when_its_replacement_has_stopped(well: Product) -> None:
    """Of three, two were lost and one was replaced; it was lost too, and replaced in its turn."""
    lost = [("first", 300, 400), ("second", 290, 400), ("third", 200, 295)]
    for name, seen_s_ago, began_s_ago in lost:
        values = {"name": name, "started_at": ago(began_s_ago)}
        store(well, process(ProcessKind.WORKER, seen_s_ago, **values))
    assert names_of_silent(well) == ["second", "third"]
    successor = ProcessHeartbeat(well.database, well.settings, ProcessKind.WORKER, name="last")
    successor.start()
    wait_until(lambda: len(well.read(processes).of(ProcessKind.WORKER)) == 2, 10, "a sign of life")
    before = names_of_silent(well)
    successor.stop()
    assert (before, names_of_silent(well)) == (["third"], ["third"])


def names_of_silent(product: Product) -> list[str]:
    return [each.name for each in product.read(processes).silent]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("provisioning_paused", "provisioning is paused"),
        ("milvus_down", "Milvus does not answer"),
        ("redis_refuses_writes", "Redis takes no writes"),
        ("no_workers", "no worker works"),
        ("brake_engaged", "an operator must decide first"),
        ("database_restored", None),
    ],
)
def test_tenants_that_wait_are_told_with_what_they_wait_for(
    well: Product, key: str, why: str | None
) -> None:
    well.create()
    STORIES[key](well)
    (waiting,) = [each for each in present(well) if each.key == "tenants_waiting"]
    expected = f"1 of 1 tenants waits: {why}." if why else "1 of 1 tenants is being provisioned."
    assert sentence(waiting.text) == expected


def test_tenants_that_could_not_go_on_have_a_minute_after_it(
    well: Product, judging: ConditionLog, caplog: pytest.LogCaptureFixture
) -> None:
    well.ask_earlier(well.create(), 600)
    well.services.pauses.pause("work", actor=ACTOR)
    judging.judge()
    assert ("raised", "tenants_waiting") in logged(caplog)
    well.services.pauses.resume(actor=ACTOR)
    (waiting,) = present(well)
    assert waiting.severity == Severity.INFO, "before the end of the pause was judged"
    judging.judge()
    assert ("cleared", "tenants_waiting") in logged(caplog)
    (waiting,) = present(well)
    assert waiting.severity == Severity.INFO
    store(well, Heartbeat(name="released", at=ago(61)))
    (waiting,) = present(well)
    assert waiting.severity == Severity.WARNING


def test_pause_is_told_with_its_reason(well: Product) -> None:
    well.services.pauses.pause("Milvus is upgraded", actor=ACTOR)
    (pause,) = present(well)
    told = sentence(pause.text)
    assert "Milvus is upgraded" in told and rfc3339(pause.since) in told
    assert "flask partitions resume" in sentence(pause.what_to_do)


def test_first_sweep_of_a_reconciler_may_wait_for_milvus(well: Product) -> None:
    reconciler = {"name": "the-reconciler", "started_at": ago(30)}
    store(well, process(ProcessKind.RECONCILER, **reconciler), observed(well, 3600))
    well.write("DELETE FROM leadership")
    assert [each.key for each in present(well)][:1] == ["milvus_unobserved"]
    assert "reconciler_stalled" not in [each.key for each in present(well)]


def test_requests_are_not_moved_when_processes_disagree_about_the_collection(
    well: Product,
) -> None:
    well.create()
    elsewhere = well.configured(milvus_collection="another")
    store(well, process(settings={"MILVUS_COLLECTION": "another"}))
    assert elsewhere.repair.follow_collection() == 0
    well.write("DELETE FROM process")
    assert elsewhere.repair.follow_collection() == 1


@pytest.fixture
def judging(well: Product, monkeypatch: pytest.MonkeyPatch) -> ConditionLog:
    monkeypatch.setattr(condition_log, "BEGINS_AFTER_S", 0)
    monkeypatch.setattr(condition_log, "REST", timedelta(0))
    return condition_log_of(well)


def condition_log_of(product: Product) -> ConditionLog:
    """The judgement of one process, which served once."""
    schema = Schema(product.database)
    schema.require()
    return ConditionLog(product.database, product.settings, schema)


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    caplog.clear()
    return [
        (line["event"].rpartition(".")[2], line["key"])
        for line in lines
        if line["event"].startswith("paratia.condition.")
    ]


def test_a_condition_is_logged_once_when_it_begins_and_once_when_it_has_passed(
    well: Product, judging: ConditionLog, caplog: pytest.LogCaptureFixture
) -> None:
    well.create_ready()
    other = condition_log_of(well)
    store(well, observed(well, cause=Cause.COLLECTION_MISSING))
    for each in (judging, other, judging):
        each.judge()
    assert logged(caplog) == [("raised", "collection_missing")]
    store(well, observed(well))
    for each in (other, judging):
        each.judge()
    assert logged(caplog) == [("cleared", "collection_missing")]


def test_information_is_logged_when_it_becomes_a_warning(
    well: Product, judging: ConditionLog, caplog: pytest.LogCaptureFixture
) -> None:
    tenant = well.create()
    judging.judge()
    assert logged(caplog) == []
    well.ask_earlier(tenant, 120)
    judging.judge()
    assert logged(caplog) == [("raised", "tenants_waiting")]
    well.make_ready(tenant.id)
    judging.judge()
    assert logged(caplog) == [("cleared", "tenants_waiting")]


def test_a_database_that_was_busy_for_one_sign_of_life_is_no_condition(
    well: Product, judging: ConditionLog, caplog: pytest.LogCaptureFixture
) -> None:
    judging.note_failure(LOCKED)
    judging.judge()
    assert not judging.own().is_blind
    judging.note_failure(LOCKED)
    assert (judging.outage, logged(caplog)) == (None, [])
    assert judging.own().is_blind
    judging.note_failure(LOCKED)
    assert judging.outage and logged(caplog) == [("raised", "database_refuses_writes")]
    judging.judge()
    assert (judging.outage, logged(caplog)) == (None, [("cleared", "database_refuses_writes")])


def test_a_revision_that_is_lost_while_all_serve_is_told_by_one_for_all(
    well: Product, judging: ConditionLog, caplog: pytest.LogCaptureFixture
) -> None:
    other = condition_log_of(well)
    well.write("DELETE FROM alembic_version")
    for each in (judging, other):
        each.judge()
    assert logged(caplog) == [("raised", "schema_behind")]
    (doubt,) = judging.own().conditions
    assert f"flask db stamp {wanted_revision()}" in sentence(doubt.what_to_do)
    assert "Do not run flask db upgrade" in serialize(doubt)["what_to_do"]
    well.write(f"INSERT INTO alembic_version VALUES ('{wanted_revision()}')")
    judging.judge()
    assert (judging.own().conditions, logged(caplog)) == ([], [("cleared", "schema_behind")])


def test_a_schema_that_goes_back_while_all_serve_is_told(
    well: Product, judging: ConditionLog, caplog: pytest.LogCaptureFixture
) -> None:
    well.write("UPDATE alembic_version SET version_num = '0001'")
    judging.judge()
    assert logged(caplog) == [("raised", "schema_behind")]
    well.write(f"UPDATE alembic_version SET version_num = '{wanted_revision()}'")
    judging.judge()
    assert (judging.outage, logged(caplog)) == (None, [("cleared", "schema_behind")])


def test_the_doctor_says_what_is_wrong_and_how_grave_it_is(simple: Product, run: Run) -> None:
    store(simple, *all_alive(), observed(simple))
    well = run("doctor")
    assert (well.exit_code, well.stdout.splitlines()[-1]) == (0, "Nothing is wrong.")
    store(simple, process(ProcessKind.WEB, 20, pid=77))
    silent = run("doctor")
    assert silent.exit_code == 1
    assert "process_silent (web)" in silent.stdout and "pid 77" in silent.stdout
    store(simple, observed(simple, cause=Cause.AUTH))
    grave = run("doctor", "--json")
    told = answer(grave)
    assert (grave.exit_code, told["status"]) == (2, "danger")
    assert [each["key"] for each in told["conditions"]] == ["milvus_credentials", "process_silent"]


def test_the_doctor_waits_for_a_sign_of_life_where_all_ended(
    simple: Product, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process has no history: all died, or the database has just come back."""
    store(simple, *all_alive(60), observed(simple))
    web = process(ProcessKind.WEB, 60, name="the-web")

    def show_itself(_seconds: float) -> None:
        with simple.database.transaction() as session:
            note_gap(session, utc_now())
            web.seen_at = utc_now()
            session.merge(web)

    monkeypatch.setattr(doctor.time, "sleep", show_itself)
    back = run("doctor")
    assert (back.exit_code, back.stdout.splitlines()[-1]) == (0, "Nothing is wrong.")
    simple.write("DELETE FROM heartbeat")
    simple.write("DELETE FROM process")
    store(simple, *all_alive(60))
    monkeypatch.setattr(doctor, "SIGN_WITHIN_S", 0)
    assert "no_workers" in run("doctor").stdout


def test_the_doctor_says_whose_settings_it_judged_by(simple: Product, run: Run) -> None:
    own = {"settings": json.dumps(simple.settings.digests())}
    store(simple, *all_alive(), observed(simple))
    differs = run("doctor")
    judged, warned, *_ = differs.stdout.splitlines()
    assert f"collection {simple.collection}" in judged and "MILVUS_COLLECTION" in warned
    told = answer(run("doctor", "--json"))
    assert "MILVUS_COLLECTION" in told["settings_differ"]
    assert told["judged_for"]["collection"] == simple.collection
    with simple.database.transaction() as session:
        session.execute(update(Process).values(own))
    same = run("doctor")
    assert same.stdout.splitlines()[1:] == ["Nothing is wrong."]
    assert answer(run("doctor", "--json"))["settings_differ"] == []


def test_every_kind_has_a_story_here_or_elsewhere() -> None:
    elsewhere = {"database_down", "database_refuses_writes", "comparison_stale", "tenants_stuck"}
    elsewhere |= {"removals_blocked", "import_unfinished", "schema_behind"}
    assert {kind.key for kind in KINDS} == {*STORIES, *elsewhere}
