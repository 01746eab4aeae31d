"""SDK first, script second, proof last: on Milvus Lite, with errors where a test wants them."""

import tempfile
import threading
from pathlib import Path
from typing import Literal

import pytest

from jobs.milvus.script import ScriptAnswer
from jobs.milvus.store import StoreError
from jobs.provisioning.attempt import FailedAttempt, Script, Stopped
from jobs.provisioning.claims import Outcome
from jobs.provisioning.leases import LeaseLost
from tests.factories import ACTOR, FaultyStore, Product, no_script
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import Provider, Result

UNEXPECTED = StoreError(Cause.UNEXPECTED, "the SDK is broken")
TIMEOUT = StoreError(Cause.TIMEOUT, "no answer")
UNREACHABLE = StoreError(Cause.MILVUS_UNREACHABLE, "nobody listens")


@pytest.fixture
def claim(whole: Product) -> Partition:
    (claim,) = whole.claim(whole.create())
    return claim


def failure(
    product: Product, store: FaultyStore, claim: Partition, script: Script = no_script
) -> tuple[Cause, Provider | None]:
    with pytest.raises(FailedAttempt) as caught:
        product.attempt(store, claim, script)
    return caught.value.cause, caught.value.provider


def script_says(found: Literal["absent", "exists"], rows: int | None = None) -> Script:
    def script(collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        made = ScriptAnswer("created" if found == "absent" else "already_exists", rows)
        return ScriptAnswer(found, rows) if check else made

    return script


@pytest.mark.parametrize("listing", [None, UNEXPECTED])
def test_script_makes_it_when_the_sdk_is_broken(
    whole: Product, claim: Partition, listing: StoreError | None
) -> None:
    broken = FaultyStore(whole.store, listing=listing, creating=UNEXPECTED)
    with whole.as_worker() as worker:
        outcome = whole.attempt(broken, claim, worker.script)
    assert outcome == Outcome(Result.CREATED, Provider.SCRIPT)
    assert claim.name in whole.store.list_partitions(claim.collection)
    (told,) = [e for e in whole.events(claim.tenant_id) if e.event.endswith("fallback")]
    assert (told.provider, told.cause, told.message) == ("sdk", "unexpected", "the SDK is broken")


def test_sdk_made_it_when_a_creation_that_timed_out_took_effect(
    whole: Product, claim: Partition
) -> None:
    late = FaultyStore(whole.store, creating=TIMEOUT, takes_effect=True)
    assert whole.attempt(late, claim) == Outcome(Result.CREATED, Provider.SDK)


def test_next_attempt_made_it_when_the_last_took_effect(whole: Product, claim: Partition) -> None:
    """The first attempt sees nobody answer; its creation arrives all the same."""
    late = FaultyStore(whole.store, creating=TIMEOUT, takes_effect=True)
    late.before_creating = lambda: setattr(late, "listing", TIMEOUT)
    assert failure(whole, late, claim) == ("timeout", "script")
    whole.attempts.hand_back([claim], "test")
    (again,) = whole.claim(claim.tenant_id)
    assert whole.attempt(FaultyStore(whole.store), again) == Outcome(Result.CREATED, Provider.SDK)


def test_attempt_fails_when_milvus_acknowledges_and_lists_nothing(
    whole: Product, claim: Partition
) -> None:
    failed = failure(whole, FaultyStore(whole.store, lies=True), claim, script_says("absent"))
    assert failed[1] == "script"


def test_attempt_fails_at_once_when_the_script_cannot_even_be_started(
    whole: Product, claim: Partition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nothing would be recorded until the lease runs out."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    with whole.as_worker() as worker:
        failed = failure(whole, FaultyStore(listing=UNEXPECTED), claim, worker.script)
    assert failed == ("unexpected", "script")


def test_script_is_believed_when_only_the_sdk_cannot_list(whole: Product, claim: Partition) -> None:
    outcome = whole.attempt(FaultyStore(listing=UNREACHABLE), claim, script_says("exists", 0))
    assert outcome == Outcome(Result.ALREADY_EXISTS, Provider.SCRIPT)


def test_the_cause_that_says_more_is_told_when_sdk_and_script_fail(
    whole: Product, claim: Partition
) -> None:
    def refused(collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        raise StoreError(Cause.COLLECTION_MISSING, "not there")

    cause, _ = failure(whole, FaultyStore(listing=UNREACHABLE), claim)
    assert cause == Cause.MILVUS_UNREACHABLE
    cause, _ = failure(whole, FaultyStore(listing=UNEXPECTED), claim, refused)
    assert cause == Cause.COLLECTION_MISSING


def test_capacity_is_told_without_creating_when_the_limit_is_reached(
    whole: Product, claim: Partition
) -> None:
    full = whole.configured(milvus_max_partitions=2)
    whole.store.create_partition(claim.collection, "other")
    watched = FaultyStore(whole.store)
    cause, _ = failure(full, watched, claim)
    assert (cause, watched.calls) == ("capacity", ["list"])


def test_nothing_is_created_when_the_claim_is_lost(whole: Product, claim: Partition) -> None:
    watched = FaultyStore(whole.store)
    whole.services.tenants.delete(claim.tenant_id, actor=ACTOR)
    with pytest.raises(LeaseLost):
        whole.attempt(watched, claim)
    assert "create" not in watched.calls


def test_attempt_ends_before_its_next_call_when_the_worker_stops(
    whole: Product, claim: Partition
) -> None:
    stop = threading.Event()
    watched = FaultyStore(whole.store)
    watched.before_creating = stop.set
    with pytest.raises(Stopped):
        whole.attempt(watched, claim, stop=stop)
    assert watched.calls == ["list", "create"]
