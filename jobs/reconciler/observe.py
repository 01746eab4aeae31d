"""The sweep's observation of Milvus: one listing for each collection, and its consequences."""

from jobs.drift.brake import guard, guard_missing
from jobs.drift.check import DriftCheck
from jobs.drift.compare import Listing, compare
from jobs.drift.observations import (
    Observation,
    last_cause,
    observed_collections,
    record_observation,
)
from jobs.drift.orphans import forget_abandoned, forget_missing
from jobs.milvus.schema import schema_in
from jobs.milvus.store import PartitionStore, StoreError
from jobs.provisioning.circuit_breaker import CircuitBreaker
from jobs.reconciler.repair import Repair
from webapp.logs import get_logger
from webapp.models.causes import NO_ANSWER, OF_A_LISTING, TRANSIENT, Cause
from webapp.numbers.counter import lift_above
from webapp.outages import first_line
from webapp.partitions.collection_schema import record_schema
from webapp.services import Services

log = get_logger("paratia.reconcile")


class Observer:
    """Observes collections, reopens failed requests, and checks for drift."""

    def __init__(self, services: Services, store: PartitionStore) -> None:
        database, self._policy = services.database, services.policy
        self._database = database
        self._repair = Repair(database, services.job_queue, services.dispatcher, self._policy)
        self._circuit = CircuitBreaker(database, self._policy)
        self._check = DriftCheck(services, store)
        self._store = store

    def look_at_all(self) -> int:
        """Observe each collection; returns how many requests were reopened or made again."""
        collections = observed_collections(self._database, self._policy.collection)
        forget_abandoned(self._database, collections)
        return sum(self._look_at(name) for name in collections)

    def _look_at(self, collection: str) -> int:
        """Observe one collection; a failure must not stop the others."""
        try:
            before = last_cause(self._database, collection)
            observation, listing = self._check.observe(collection)
            # First, so that nothing is reopened or made again behind a brake.
            listing, is_held = self._guard(observation, listing)
            changed = self._follow(observation, before)
            if observation.cause == Cause.COLLECTION_MISSING:
                self._forget(collection)
            if listing is not None:
                lift_above(self._database, listing.names)
            if listing is not None and not listing.is_replaced:
                comparison = compare(self._database, listing)
                changed += self._check.sweep(comparison, repair=not is_held).requested
                if listing.place and listing.place.description:
                    schema = schema_in(listing.place.description)
                    record_schema(self._database, collection, schema)
        except Exception as error:
            fields = {"step": "observe", "collection": collection}
            repeats = (collection, first_line(error))
            log.exception("reconcile.step_failed", **fields, repeats=repeats)
            return 0
        return changed

    def _forget(self, collection: str) -> None:
        """Forget findings in a collection that was dropped and is not in use."""
        if collection != self._policy.collection:
            forget_missing(self._database, collection)

    def _guard(
        self, observation: Observation, listing: Listing | None
    ) -> tuple[Listing | None, bool]:
        """The listing that may be compared, and whether nothing may be made or dropped."""
        if observation.cause == Cause.COLLECTION_MISSING:
            guard_missing(self._database, observation.collection, observation.looked_at)
        if listing is None:
            return None, False
        try:
            return listing, guard(self._database, self._store, listing)
        except StoreError as error:
            # What an operator has accepted is counted before it is compared.
            fields = {"collection": listing.collection, "cause": error.cause}
            log.warning("milvus.drift.not_settled", **fields, message=error.message)
            return None, True

    def _follow(self, observation: Observation, before: Cause | None) -> int:
        """Reopen failures whose cause is over, or store a new permanent cause."""
        repair = self._repair
        over = self._close_circuit() if observation.cause not in NO_ANSWER else frozenset()
        reopened = 0
        if observation.partitions is not None:
            room = max(self._policy.max_partitions - observation.partitions, 0)
            passed = over | _passed(before)
            reopened = repair.reopen(observation.collection, passed, after_capacity=room)
        elif observation.cause == Cause.COLLECTION_REPLACED:
            # A collection is there: they wait for the operator's decision, behind the brake.
            reopened = repair.reopen(observation.collection, {Cause.COLLECTION_MISSING})
        elif observation.cause in OF_A_LISTING - TRANSIENT:
            repair.note_cause(observation.collection, observation.cause, observation.error or "")
        # Stored last, so that the sweep after a crash in between still knows of the outage.
        record_observation(self._database, observation)
        if before != observation.cause:
            log.warning(
                "milvus.observed",
                collection=observation.collection,
                cause=observation.cause,
                before=before,
            )
        return reopened

    def _close_circuit(self) -> frozenset[Cause]:
        """Close the circuit; returns the causes that are over by that.

        Time-outs are not: creations may hang while listings answer.
        """
        before = self._circuit.close()
        return NO_ANSWER if before.cause == Cause.MILVUS_UNREACHABLE else frozenset()


def _passed(before: Cause | None) -> frozenset[Cause]:
    """The causes that are over after an answer, given the cause at the observation before."""
    over = {Cause.COLLECTION_MISSING}
    if before is not None:
        over |= NO_ANSWER
    if before == Cause.AUTH:
        over.add(Cause.AUTH)
    return frozenset(over)
