"""One attempt for one partition: by the SDK, else by the script, then the proof."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from jobs.milvus.script import ScriptAnswer
from jobs.milvus.store import PartitionStore, StoreError
from jobs.provisioning.claims import Attempts, Outcome
from jobs.provisioning.leases import Leases
from jobs.provisioning.ownership import accepted, is_to_be_emptied
from webapp.models.causes import NO_ANSWER, Cause
from webapp.models.partition import Partition
from webapp.models.states import Provider, Result
from webapp.partitions import events


class Stopped(Exception):
    """The process is asked to stop: the attempt is handed back and does not count."""


class FailedAttempt(Exception):
    """Both providers failed. `provider` is the last one tried, None where none was."""

    def __init__(self, error: StoreError, provider: Provider | None) -> None:
        super().__init__(error.message)
        self.cause = error.cause
        self.message = error.message
        self.provider = provider


class Script(Protocol):
    """Runs the fallback script; see `jobs.milvus.script.run_script`."""

    def __call__(self, collection: str, partition: str, *, check: bool = False) -> ScriptAnswer: ...


@dataclass
class Attempt:
    """One attempt for one claim. The lease is checked before every call to the store."""

    store: PartitionStore
    script: Script
    attempts: Attempts
    leases: Leases
    stop: threading.Event
    max_partitions: int
    is_probe: bool = False
    # Whether Milvus answered any call of this attempt.
    was_answered: bool = False

    def run(self, claim: Partition) -> Outcome:
        """The proven outcome.

        Raises:
            FailedAttempt: both providers failed, or the SDK for a cause that no retry cures.
            LeaseLost, Stopped: this worker may record nothing.
        """
        try:
            return self._by_sdk(claim)
        except StoreError as error:
            # A probe has its result: the script would only wait once more.
            probed = self.is_probe and error.cause in NO_ANSWER
            if probed or not error.cause.is_transient:
                raise FailedAttempt(error, Provider.SDK) from error
            return self._by_script(claim, error)

    def _by_sdk(self, claim: Partition) -> Outcome:
        names = self._ask(claim)
        if claim.name in names:
            rows = self._count(claim)
            if not is_to_be_emptied(claim, rows):
                return accepted(claim, rows, Provider.SDK)
            names = self._empty(claim, rows)
        check_room(len(names), self.max_partitions, claim.collection)
        self._before_a_change(claim, seen_absent=True)
        failure = _failure_of(self.store.create_partition, claim)
        return self._prove(claim, failure)

    def _count(self, claim: Partition) -> int | None:
        """The rows in the partition; not counted where they are the tenant's own."""
        if claim.owns_rows:
            return None
        self._hold(claim)
        return self.store.count_rows(claim.collection, claim.name)

    def _empty(self, claim: Partition, rows: int | None) -> frozenset[str]:
        """Drop the partition with its rows; returns Milvus's list as proof."""
        # Recorded first: after a crash the timeline says which rows were destroyed.
        self.attempts.note(claim, events.EMPTYING, f"{events.row_count(rows)} are to be dropped")
        claim = self._before_a_change(claim)
        failure = _failure_of(self.store.drop_partition, claim)
        names = self._ask(claim)
        if claim.name in names:
            raise failure or _unproven("Milvus acknowledged the drop but lists the partition still")
        self.attempts.note(claim, events.EMPTIED, f"{events.row_count(rows)} dropped")
        return names

    def _prove(self, claim: Partition, failure: StoreError | None) -> Outcome:
        """List again: the answer to the creation, success or failure, is no proof."""
        try:
            exists = claim.name in self._ask(claim)
        except StoreError as error:
            raise failure or error from error
        if exists:
            return Outcome(Result.CREATED, Provider.SDK)
        raise failure or _unproven("Milvus acknowledged the partition but does not list it")

    def _by_script(self, claim: Partition, sdk_error: StoreError) -> Outcome:
        claim = self._before_a_change(claim)
        self.attempts.note(claim, events.FALLBACK, sdk_error.message, sdk_error.cause)
        claim, answer, script_error = self._ask_script(claim)
        try:
            exists = claim.name in self._ask(claim)
            rows = self._count(claim) if exists else None
        except StoreError:
            # The script lists before and after, and counts, so its answer is the proof where the
            # SDK, which has failed, cannot list.
            exists = answer is not None
            rows = answer.rows if answer else None
        if exists:
            return self._settled(claim, answer, rows, sdk_error)
        if script_error is None:
            script_error = _unproven("the script found the partition but Milvus does not list it")
        raise _more_telling(sdk_error, script_error)

    def _ask_script(
        self, claim: Partition
    ) -> tuple[Partition, ScriptAnswer | None, StoreError | None]:
        """The renewed claim, and the script's answer or its error.

        As for the SDK, it is stored that the partition was absent before the script creates it.
        """
        try:
            if not claim.is_ours:
                answer = self.script(claim.collection, claim.name, check=True)
                if answer.result == "exists":
                    return claim, answer, None
                claim = self._before_a_change(claim, seen_absent=True)
            return claim, self.script(claim.collection, claim.name), None
        except StoreError as error:
            return claim, None, error

    def _settled(
        self, claim: Partition, answer: ScriptAnswer | None, rows: int | None, sdk_error: StoreError
    ) -> Outcome:
        if is_to_be_emptied(claim, rows):
            # The script cannot drop; the next attempt does.
            raise FailedAttempt(sdk_error, Provider.SDK)
        if answer and answer.result == "created":
            return Outcome(Result.CREATED, Provider.SCRIPT)
        # A partition of ours is the SDK's: its call took effect after its own proof had failed.
        provider = Provider.SCRIPT if answer and not claim.is_ours else Provider.SDK
        try:
            return accepted(claim, rows, provider)
        except StoreError as error:
            raise FailedAttempt(error, provider) from error

    def _ask(self, claim: Partition) -> frozenset[str]:
        """Milvus's list. A listing changes nothing, so the lease need only outlast it."""
        self._hold(claim)
        names = self.store.list_partitions(claim.collection)
        self.was_answered = True
        return names

    def _before_a_change(self, claim: Partition, *, seen_absent: bool = False) -> Partition:
        """The claim, renewed now: a row that was deleted or claimed gets no partition."""
        self._go_on()
        return self.leases.renew_one(claim, seen_absent=seen_absent)

    def _hold(self, claim: Partition) -> None:
        self._go_on()
        self.leases.hold(claim)

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Stopped


def check_room(used: int, limit: int, collection: str) -> None:
    """Refuse a partition above the limit, as the server would.

    Raises:
        StoreError: `capacity`.
    """
    if used >= limit:
        raise StoreError(
            Cause.CAPACITY,
            f"collection {collection} holds {used} partitions; the limit is {limit}",
        )


def _failure_of(change: Callable[[str, str], None], claim: Partition) -> StoreError | None:
    """The error of a change, which is no proof: the caller lists again."""
    try:
        change(claim.collection, claim.name)
    except StoreError as error:
        return error
    return None


def _unproven(message: str) -> StoreError:
    return StoreError(Cause.UNEXPECTED, message)


def _more_telling(sdk_error: StoreError, script_error: StoreError) -> FailedAttempt:
    tells_more = sdk_error.cause == Cause.UNEXPECTED or not script_error.cause.is_transient
    error = script_error if tells_more else sdk_error
    return FailedAttempt(error, Provider.SCRIPT)
