"""The departures loop: claim, list, count, drop, prove by listing again, record."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from jobs.drift.observations import Observations, located
from jobs.milvus.store import PartitionStore, StoreError
from jobs.removal.claims import Removal, RemovalClaims
from webapp.logs import get_logger
from webapp.models.causes import NO_ANSWER, Cause

# One listing before and one after serve so many.
AT_ONCE = 200
CALLERS = 8

STILL_LISTED = StoreError(Cause.UNEXPECTED, "Milvus acknowledged the drop but lists it still")

T = TypeVar("T")

log = get_logger("paratia.departures")


@dataclass
class Answers(Generic[T]):
    """What the store said to each; whom nobody asked any more is in neither."""

    told: dict[Removal, T] = field(default_factory=dict)
    errors: dict[int, StoreError] = field(default_factory=dict)


class RemovalRunner:
    """Drops the partitions whose grace time is over. May run in several processes at once."""

    def __init__(
        self, removal_claims: RemovalClaims, observations: Observations, store: PartitionStore
    ) -> None:
        self._claims = removal_claims
        self._observations = observations
        self._store = store
        self._waiting_for: dict[str, Cause] = {}

    def run_due(self, stop: threading.Event) -> int:
        """Let go of all that are due; returns how many are gone.

        While a collection cannot be listed, nothing is claimed in it and nobody's try is used up.
        """
        collections = self._claims.due_collections()
        return sum(self._empty_out(collection, stop) for collection in collections)

    def _empty_out(self, collection: str, stop: threading.Event) -> int:
        gone, go_on = 0, True
        while go_on and not stop.is_set():
            try:
                place = self._locate(collection)
                count, go_on = Round(self._claims, self._store, collection, place, stop).run()
            except StoreError as error:
                self._note_waiting(collection, error)
                break
            self._waiting_for.pop(collection, None)
            gone += count
        return gone

    def _locate(self, collection: str) -> str:
        """The own name of the collection, which no alias can lead elsewhere meanwhile.

        Raises:
            StoreError: it is not the one that the partitions are in, or Milvus does not answer.
        """
        try:
            return located(self._observations, self._store, collection).name
        except StoreError as error:
            if error.cause != Cause.COLLECTION_MISSING:
                raise
            return collection

    def _note_waiting(self, collection: str, error: StoreError) -> None:
        if self._waiting_for.get(collection) != error.cause:
            self._waiting_for[collection] = error.cause
            fields = {"collection": collection, "cause": error.cause, "message": error.message}
            log.warning("departures.waiting", **fields)


class Round:
    """One claim of many in one collection."""

    def __init__(
        self,
        removal_claims: RemovalClaims,
        store: PartitionStore,
        collection: str,
        place: str,
        stop: threading.Event,
    ) -> None:
        self._claims = removal_claims
        self._store = store
        self._collection = collection
        self._place = place
        self._stop = stop

    def run(self) -> tuple[int, bool]:
        """How many are gone, and whether another round may find more.

        Raises:
            StoreError: the collection cannot be listed; nothing is held any more.
        """
        names = self._names()
        removals = self._claims.claim(self._collection, AT_ONCE)
        if not removals:
            return 0, False
        counts = self._ask_each([each for each in removals if each.partition in names], self._count)
        kept = {each: rows for each, rows in counts.told.items() if not _may_go(each, rows)}
        self._claims.record_kept(kept)
        begun = self._claims.begin(
            {each: rows for each, rows in counts.told.items() if each not in kept}
        )
        drops = self._ask_each(begun, self._drop)
        current = {each.tenant_id: each for each in (*removals, *begun)}
        left = [each for each in current.values() if each not in kept]
        there = self._settle(left, drops, counts.errors | drops.errors)
        return len(left) - len(there), len(removals) == AT_ONCE and not there

    def _settle(
        self, left: Sequence[Removal], drops: Answers[None], errors: dict[int, StoreError]
    ) -> list[Removal]:
        """Record by a second listing what became of each; returns whose is there still."""
        try:
            names = self._names()
        except StoreError:
            self._hand_on(left, errors)
            raise
        gone = [each for each in left if each.partition not in names]
        there = [each for each in left if each.partition in names]
        self._claims.record_gone(gone, {each.tenant_id for each in drops.told}, self._place)
        believed = {each.tenant_id: STILL_LISTED for each in drops.told}
        self._hand_on(there, believed | errors)
        return there

    def _hand_on(self, removals: Sequence[Removal], errors: dict[int, StoreError]) -> None:
        """Those whose call failed rest a while; the others are due again at once."""
        for removal in removals:
            if error := errors.get(removal.tenant_id):
                self._claims.record_failure(removal, error.cause, error.message)
        self._claims.hand_back([each for each in removals if each.tenant_id not in errors])

    def _names(self) -> frozenset[str]:
        """What the collection holds; a collection that is not there holds nothing."""
        try:
            return self._store.list_partitions(self._place)
        except StoreError as error:
            if error.cause != Cause.COLLECTION_MISSING:
                raise
            return frozenset()

    def _count(self, removal: Removal) -> int | None:
        """The rows for the record, or None where a tenant's own cannot be counted.

        Raises:
            StoreError: whose they are is unknown, or Milvus does not answer for the first time:
                a count that fails again and again must not hold a departure up for ever.
        """
        try:
            return self._store.count_rows(self._place, removal.partition)
        except StoreError as error:
            silent = error.cause in NO_ANSWER and not removal.failures
            if silent or not removal.owns_rows:
                raise
            return None

    def _drop(self, removal: Removal) -> None:
        self._store.drop_partition(self._place, removal.partition)

    def _ask_each(self, removals: Sequence[Removal], ask: Callable[[Removal], T]) -> Answers[T]:
        """Ask for several at once; a server that does not answer is not asked for the rest."""
        answers = Answers[T]()
        silent = threading.Event()

        def work(removal: Removal) -> None:
            if silent.is_set() or self._stop.is_set():
                return
            try:
                answers.told[removal] = ask(removal)
            except StoreError as error:
                answers.errors[removal.tenant_id] = error
                if error.cause in NO_ANSWER:
                    silent.set()

        if removals:
            with ThreadPoolExecutor(CALLERS) as callers:
                list(callers.map(work, removals))
        return answers


def _may_go(removal: Removal, rows: int | None) -> bool:
    """Rows that are not known to be the tenant's own are never dropped."""
    return removal.owns_rows or rows == 0
