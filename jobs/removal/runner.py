"""The removal loop: claim, list, count, drop, list again as proof, record."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jobs.drift.compare import proven_in
from jobs.drift.observations import located
from jobs.milvus.at_once import Answers, ask_each
from jobs.milvus.store import PartitionStore, StoreError, unless_missing
from jobs.removal.claims import RemovalClaims
from webapp.db.session import Database
from webapp.logs import get_logger
from webapp.models.causes import NO_ANSWER, Cause
from webapp.models.partition import Partition

# One listing before and one after serve this many removals.
AT_ONCE = 200

UNPROVEN = "Milvus has no such collection, in which other tenants' partitions must be"
STILL_LISTED = StoreError(Cause.UNEXPECTED, "Milvus acknowledged the drop but lists it still")

log = get_logger("paratia.departures")


@dataclass
class RemovalRunner:
    """Drops the partitions whose grace time is over. May run in several processes at once."""

    database: Database
    claims: RemovalClaims
    store: PartitionStore
    # Whether the database is the one that was compared; see `Incarnations.check`.
    is_known: Callable[[], bool]
    _waiting_for: dict[str, Cause] = field(default_factory=dict)

    def run_due(self, stop: threading.Event) -> int:
        """Remove all that are due; returns how many are gone.

        While a collection cannot be listed, nothing in it is claimed and no try is used up.
        """
        collections = self.claims.due_collections()
        return sum(self._remove_from(collection, stop) for collection in collections)

    def _remove_from(self, collection: str, stop: threading.Event) -> int:
        gone, go_on = 0, True
        while go_on and not stop.is_set():
            try:
                place = self._locate(collection)
                round_ = Round(self.claims, self.store, self.is_known, collection, place, stop)
                count, go_on = round_.run()
            except StoreError as error:
                self._note_waiting(collection, error)
                break
            self._waiting_for.pop(collection, None)
            gone += count
        return gone

    def _locate(self, collection: str) -> str | None:
        """The collection's own name: an alias could be moved during the round. None: it is missing.

        Raises:
            StoreError: no answer; or it is missing though tenants must have partitions in it, so
                that nothing is known about the others.
        """
        place = unless_missing(lambda: located(self.database, self.store, collection), None)
        if place is None and any(proven_in(self.database, collection)):
            raise StoreError(Cause.COLLECTION_MISSING, UNPROVEN)
        return place.name if place else None

    def _note_waiting(self, collection: str, error: StoreError) -> None:
        if self._waiting_for.get(collection) != error.cause:
            self._waiting_for[collection] = error.cause
            fields = {"collection": collection, "cause": error.cause, "message": error.message}
            log.warning("departures.waiting", **fields)


@dataclass(frozen=True)
class Round:
    """One claim of many removals in one collection, whose own name is `place`; None: missing."""

    claims: RemovalClaims
    store: PartitionStore
    is_known: Callable[[], bool]
    collection: str
    place: str | None
    stop: threading.Event

    def run(self) -> tuple[int, bool]:
        """The number of removals, and whether another round may find more.

        Raises:
            StoreError: the collection cannot be listed; every claim is given up.
        """
        names = self._names()
        removals = self.claims.claim(self.collection, AT_ONCE)
        if not removals:
            return 0, False
        existing = [each for each in removals if each.name in names]
        counts = ask_each(existing, self._count, self.stop.is_set)
        # Rows that are not known to be the tenant's own are never dropped.
        kept = {each: n for each, n in counts.values.items() if not each.owns_rows and n != 0}
        if not self.is_known():
            # An older copy was put in its place while Milvus was asked: there, tenants who were
            # kept since are deleted.
            self.claims.hand_back(removals)
            return 0, False
        self.claims.record_kept(kept)
        begun = self.claims.begin(
            {each: n for each, n in counts.values.items() if each not in kept}
        )
        drops = ask_each(begun, self._drop, self.stop.is_set)
        current = {each.tenant_id: each for each in (*removals, *begun)}
        left = [each for each in current.values() if each not in kept]
        listed = self._settle(left, drops, counts.errors | drops.errors)
        return len(left) - len(listed), len(removals) == AT_ONCE and not listed

    def _settle(
        self, left: Sequence[Partition], drops: Answers[None], errors: dict[int, StoreError]
    ) -> list[Partition]:
        """Record what a second listing proves; returns the removals that it still has."""
        try:
            names = self._names()
        except StoreError:
            self._give_up(left, errors)
            raise
        gone = [each for each in left if each.name not in names]
        listed = [each for each in left if each.name in names]
        acknowledged = {each.tenant_id: STILL_LISTED for each in drops.values}
        self.claims.record_gone(gone, acknowledged.keys(), self.place or self.collection)
        self._give_up(listed, acknowledged | errors)
        return listed

    def _give_up(self, removals: Sequence[Partition], errors: dict[int, StoreError]) -> None:
        """Removals whose call failed pause; the others are due again at once."""
        for removal in removals:
            if error := errors.get(removal.tenant_id):
                self.claims.record_failure(removal, error.cause, error.message)
        self.claims.hand_back([each for each in removals if each.tenant_id not in errors])

    def _names(self) -> frozenset[str]:
        """The collection's partitions; none in a collection that is missing."""
        return self.store.list_partitions(self.place) if self.place else frozenset()

    def _count(self, removal: Partition) -> int | None:
        """The rows for the record, or None where a tenant's own rows cannot be counted.

        Raises:
            StoreError: it is unknown whose the rows are, or Milvus does not answer for the first
                time: a count that fails at every try must not hold up the removal for ever.
        """
        try:
            return self.store.count_rows(self.place or self.collection, removal.name)
        except StoreError as error:
            is_first = error.cause in NO_ANSWER and not removal.reopens
            if is_first or not removal.owns_rows:
                raise
            return None

    def _drop(self, removal: Partition) -> None:
        self.store.drop_partition(self.place or self.collection, removal.name)
