"""No command ends green or silent while a pause, a brake or a restore holds tenants back."""

import pytest

from jobs.cli import dispatch
from jobs.drift.brake import Sight, engage
from jobs.drift.missing import mark_missing
from jobs.milvus.store import Place
from tests.factories import ACTOR, Product
from tests.integration.domain.commands import Run, answer
from webapp.db.types import utc_now
from webapp.models.causes import Cause

# What was asked for by a command that means all tenants, and by its dry run.
ALL = (
    *("partitions backfill", "partitions backfill --dry-run", "partitions backfill --all"),
    *("partitions retry", "partitions retry --all", "partitions retry --all --dry-run"),
    *("partitions failed", "partitions failed --json"),
)


def lose(product: Product, *, reason: Cause = Cause.PARTITIONS_GONE) -> int:
    """A tenant whose partition is missing behind a brake."""
    number = product.create_ready().id
    at = utc_now()
    place = Place("other", 7, 7)
    assert engage(product.database, Sight(product.collection, at, reason, 1, 1, place))
    assert mark_missing(product.database, product.collection, [number], at, reason)
    return number


@pytest.mark.parametrize("words", ALL)
def test_brake_is_named_and_exit_is_1(simple: Product, run: Run, words: str) -> None:
    lose(simple)
    told = run(*words.split())
    assert (told.exit_code, "partitions_gone since" in told.stderr) == (1, True)


@pytest.mark.parametrize("words", ALL)
def test_pause_is_named_with_the_way_to_end_it_and_is_no_failure(
    simple: Product, run: Run, words: str
) -> None:
    simple.services.pauses.pause("upgrade", actor=ACTOR)
    told = run(*words.split())
    assert told.exit_code == 0
    assert "paused since" in told.stderr and "upgrade" in told.stderr
    assert "flask partitions resume" in told.stderr


@pytest.mark.parametrize("words", ALL)
def test_restored_database_is_named_before_any_process_has_noticed_it(
    simple: Product, run: Run, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    simple.create()
    monkeypatch.setattr(simple.services.incarnations, "doubt", lambda: "numbers_went_back")
    told = run(*words.split())
    assert (told.exit_code, "The database was restored" in told.stderr) == (1, True)


@pytest.mark.parametrize("words", ALL)
def test_nothing_is_told_when_nothing_is_held_back(simple: Product, run: Run, words: str) -> None:
    simple.create_ready()
    told = run(*words.split())
    assert (told.exit_code, told.stderr) == (0, "")


def test_missing_tenants_are_told_beside_those_that_failed(simple: Product, run: Run) -> None:
    lose(simple)
    told = run("partitions", "failed").stdout
    assert told == "Nothing failed.\n1 missing: ready before, and in Milvus no more.\n"


def test_brake_is_named_for_the_tenants_that_it_holds_alone(simple: Product, run: Run) -> None:
    missing, ready = lose(simple), simple.create_ready("B").id
    failed = simple.create_failed(Cause.CAPACITY, "C").id
    for number, command, exit_code in (
        (missing, "backfill", 1),
        (ready, "backfill", 0),
        (failed, "retry", 0),
    ):
        told = run("partitions", command, "--tenant-id", str(number))
        assert (told.exit_code, "partitions_gone since" in told.stderr) == (
            exit_code,
            exit_code > 0,
        )
    simple.fail(failed, Cause.AUTH)
    by_cause = run("partitions", "retry", "--cause", "auth", "--dry-run")
    assert (by_cause.exit_code, by_cause.stderr) == (0, "")


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_brake_is_named_for_an_imported_tenant_that_has_no_request_yet(
    simple: Product, run: Run, options: tuple[str, ...]
) -> None:
    lose(simple, reason=Cause.COLLECTION_REPLACED)
    (number,) = simple.imported_tenants(1, first=50)
    told = run("partitions", "backfill", "--tenant-id", str(number), *options)
    assert (told.exit_code, "collection_replaced since" in told.stderr) == (1, True)


def test_retry_that_fails_again_says_why_and_exits_with_1(
    simple: Product, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = simple.create_failed(Cause.COLLECTION_MISSING)

    def worked(operation_id: int) -> dispatch.View:
        simple.fail(tenant, Cause.COLLECTION_MISSING)
        return real(operation_id)

    real = dispatch._view
    monkeypatch.setattr(dispatch, "_view", worked)
    told = run("partitions", "retry", "--all")
    assert (told.exit_code, told.stdout.splitlines()[-1]) == (1, "1 failed")
    assert "1 failed: collection_missing: The collection does not exist" in told.stderr


def test_command_that_waits_says_that_it_cannot_end_during_a_pause(
    simple: Product, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    simple.imported_tenants(1)
    simple.services.pauses.pause("upgrade", actor=ACTOR)

    def meanwhile(_: float) -> None:
        simple.services.pauses.resume(actor=ACTOR)
        simple.make_ready(1)

    monkeypatch.setattr(dispatch.time, "sleep", meanwhile)
    told = run("partitions", "backfill", "--wait")
    assert (told.exit_code, "cannot end before that" in told.stderr) == (0, True)


def test_command_that_waits_says_whom_it_does_not_wait_for(simple: Product, run: Run) -> None:
    simple.imported_tenants(1)
    run("partitions", "backfill")
    simple.services.pauses.pause("upgrade", actor=ACTOR)
    told = run("partitions", "backfill", "--wait", "--json")
    assert answer(told)["skipped"] == {"waiting": 1}
    assert "1 wait by an earlier request, and are not waited for here" in told.stderr
    assert "flask partitions resume" in told.stderr


def test_one_sweep_exits_with_1_when_a_brake_holds_what_is_missing(
    whole: Product, run: Run
) -> None:
    for n in range(3):
        whole.create(f"T{n}")
    whole.work()
    for n in range(1, 4):
        whole.store.drop_partition(whole.collection, f"tenant_{n}")
    told = run("partitions", "reconcile", "--once")
    assert (told.exit_code, "3 of 3 partitions are missing" in told.stderr) == (1, True)


def test_adoption_behind_a_brake_says_that_it_is_held(simple: Product, run: Run) -> None:
    foreign = simple.create_failed(Cause.FOREIGN_DATA).id
    lose(simple, reason=Cause.COLLECTION_REPLACED)
    told = run("partitions", "adopt", "--tenant-id", str(foreign))
    assert (told.exit_code, "collection_replaced since" in told.stderr) == (1, True)
