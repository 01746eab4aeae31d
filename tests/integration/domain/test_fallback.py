"""SDK first, script second, proof last: on Milvus Lite, with errors where a test wants them."""

import tempfile
import threading
from pathlib import Path
from typing import Literal

import pytest

from jobs.milvus.client import MilvusPartitionStore
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


def attempt(
    product: Product, store: FaultyStore, claim: Partition, script: Script = no_script
) -> Outcome:
    return product.attempt(store, script, claim, threading.Event()).run(claim)


def script_says(result: str, rows: int | None = None) -> Script:
    def script(collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        exists: Literal["exists", "absent"] = "absent" if result == "created" else "exists"
        made: Literal["created", "already_exists"]
        made = "created" if result == "created" else "already_exists"
        return ScriptAnswer(exists if check else made, rows)

    return script


@pytest.mark.parametrize(
    "broken", [{"creating": UNEXPECTED}, {"listing": UNEXPECTED, "creating": UNEXPECTED}]
)
def test_script_makes_it_when_the_sdk_is_broken(
    whole: Product, store: MilvusPartitionStore, claim: Partition, broken: dict[str, StoreError]
) -> None:
    with whole.as_worker() as worker:
        outcome = attempt(whole, FaultyStore(store, **broken), claim, worker.script)
    assert outcome == Outcome(Result.CREATED, Provider.SCRIPT)
    assert claim.name in store.list_partitions(claim.collection)
    (told,) = [e for e in whole.events(claim.tenant_id) if e.event.endswith("fallback")]
    assert (told.provider, told.cause, told.message) == ("sdk", "unexpected", "the SDK is broken")


def test_sdk_made_it_when_a_creation_that_timed_out_took_effect(
    whole: Product, store: MilvusPartitionStore, claim: Partition
) -> None:
    late = FaultyStore(store, creating=TIMEOUT, takes_effect=True)
    assert attempt(whole, late, claim) == Outcome(Result.CREATED, Provider.SDK)


def test_next_attempt_made_it_when_an_earlier_one_timed_out_and_took_effect(
    whole: Product, store: MilvusPartitionStore, claim: Partition
) -> None:
    """The first attempt sees nobody answer; its creation arrives all the same."""
    late = FaultyStore(store, creating=TIMEOUT, takes_effect=True)
    late.before_creating = lambda: setattr(late, "listing", TIMEOUT)
    with pytest.raises(FailedAttempt) as caught:
        attempt(whole, late, claim)
    assert (caught.value.cause, caught.value.provider) == ("timeout", "script")
    whole.attempts.hand_back([claim], "test")
    (again,) = whole.claim(claim.tenant_id)
    assert attempt(whole, FaultyStore(store), again) == Outcome(Result.CREATED, Provider.SDK)


def test_attempt_fails_when_milvus_acknowledges_but_lists_nothing(
    whole: Product, store: MilvusPartitionStore, claim: Partition
) -> None:
    class Liar(FaultyStore):
        def create_partition(self, collection: str, partition: str) -> None:
            """Success, and nothing done."""

    with pytest.raises(FailedAttempt):
        attempt(whole, Liar(store), claim, script_says(Result.CREATED))


def test_attempt_fails_at_once_when_the_script_cannot_even_be_started(
    whole: Product, claim: Partition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nothing would be recorded until the lease runs out."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    with whole.as_worker() as worker, pytest.raises(FailedAttempt) as caught:
        attempt(whole, FaultyStore(listing=UNEXPECTED), claim, worker.script)
    assert (caught.value.cause, caught.value.provider) == ("unexpected", "script")


def test_script_is_believed_when_only_the_sdk_cannot_list(whole: Product, claim: Partition) -> None:
    deaf = FaultyStore(listing=UNREACHABLE)
    outcome = attempt(whole, deaf, claim, script_says(Result.ALREADY_EXISTS, rows=0))
    assert outcome == Outcome(Result.ALREADY_EXISTS, Provider.SCRIPT)


def test_cause_of_the_sdk_is_told_when_it_says_more_than_the_scripts(
    whole: Product, claim: Partition
) -> None:
    with pytest.raises(FailedAttempt) as caught:
        attempt(whole, FaultyStore(listing=UNREACHABLE), claim)
    assert caught.value.cause == Cause.MILVUS_UNREACHABLE


def test_permanent_cause_of_the_script_is_told_when_the_sdk_was_broken(
    whole: Product, claim: Partition
) -> None:
    def refused(collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        raise StoreError(Cause.COLLECTION_MISSING, "not there")

    with pytest.raises(FailedAttempt) as caught:
        attempt(whole, FaultyStore(listing=UNEXPECTED), claim, refused)
    assert caught.value.cause == Cause.COLLECTION_MISSING


def test_capacity_is_told_without_creating_when_the_limit_is_reached(
    whole: Product, store: MilvusPartitionStore, claim: Partition
) -> None:
    full = whole.configured(milvus_max_partitions=2)
    store.create_partition(claim.collection, "other")
    watched = FaultyStore(store)
    with pytest.raises(FailedAttempt) as caught:
        attempt(full, watched, claim)
    assert (caught.value.cause, watched.calls) == ("capacity", ["list"])


def test_nothing_is_created_when_the_claim_is_lost(
    whole: Product, store: MilvusPartitionStore, claim: Partition
) -> None:
    watched = FaultyStore(store)
    whole.services.tenants.delete(claim.tenant_id, actor=ACTOR)
    with pytest.raises(LeaseLost):
        attempt(whole, watched, claim)
    assert "create" not in watched.calls


def test_attempt_ends_before_its_next_call_when_the_worker_stops(
    whole: Product, store: MilvusPartitionStore, claim: Partition
) -> None:
    stop = threading.Event()
    watched = FaultyStore(store)
    watched.before_creating = stop.set
    with pytest.raises(Stopped):
        whole.attempt(watched, no_script, claim, stop).run(claim)
    assert watched.calls == ["list", "create"]
