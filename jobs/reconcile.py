"""The due loop and the sweep: they drive every wish on, whatever became of its ring."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from jobs.departures import DepartureLane
from jobs.store import PartitionStore, StoreError
from webapp.domain import Domain
from webapp.logs import get_logger
from webapp.settings import Settings
from webapp.tenants.causes import Cause
from webapp.tenants.observing import Observation

DUE_EVERY_S = 1.0

# Failures that are over as soon as Milvus answers after it had not.
OUTAGE = frozenset({Cause.MILVUS_UNREACHABLE, Cause.TIMEOUT})

log = get_logger("paratia.reconcile")


class Reconciler:
    """One process's share of keeping wishes and Milvus in agreement."""

    def __init__(self, domain: Domain, store: PartitionStore, settings: Settings) -> None:
        self._domain = domain
        self._store = store
        self._settings = settings
        self._lane = DepartureLane(domain.departures, store)
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        # A sweeper that dies is replaced after this; one that lives renews it at each step.
        self._turn = timedelta(
            seconds=max(settings.reconcile_interval, settings.milvus_timeout + 5)
        )

    def depart(self, stop: threading.Event) -> int:
        """Drop what is due to go; returns how many partitions are gone."""
        return self._lane.run_due(stop)

    def ring_due(self) -> None:
        """Ring for what has come due, leases that ran out included."""
        self._domain.upkeep.expire_leases()
        self._domain.ringing.ring_due()

    def sweep(self, rest: timedelta = timedelta(0)) -> bool:
        """Sweep once, unless another does now or did less than `rest` ago; True when done."""
        if not self._take_turn(rest):
            return False
        started = time.monotonic()
        try:
            counts = {name: self._step(name, step) for name, step in self._steps()}
        finally:
            self._domain.observing.end_turn(self._name)
        if any(counts.values()):
            duration_ms = round((time.monotonic() - started) * 1000)
            log.info("reconcile.swept", duration_ms=duration_ms, **counts)
        return True

    def _take_turn(self, rest: timedelta = timedelta(0)) -> bool:
        return self._domain.observing.take_turn(self._name, self._turn, rest)

    def _steps(self) -> Iterable[tuple[str, Callable[[], int]]]:
        upkeep = self._domain.upkeep
        yield "leases_expired", upkeep.expire_leases
        yield "rung_again", upkeep.ring_lost
        yield "moved", upkeep.follow_collection
        yield "reopened", self._observe_all
        yield "ghosts_forgotten", upkeep.forget_ghosts
        yield "rung", self._domain.ringing.ring_due

    def _step(self, name: str, step: Callable[[], int]) -> int:
        """One step; its failure must not keep the others from running."""
        self._take_turn()
        try:
            return step()
        except Exception:
            log.exception("reconcile.step_failed", step=name)
            return 0

    def _observe_all(self) -> int:
        in_use = self._domain.rules.collection
        return sum(self._observe(name) for name in self._domain.observing.collections(in_use))

    def _observe(self, collection: str) -> int:
        """Look at one collection; returns how many tenants were given another try."""
        upkeep, observing = self._domain.upkeep, self._domain.observing
        seen = self._look(collection)
        before = observing.last_cause(collection)
        over = self._close_circuit() if seen.cause not in OUTAGE else frozenset()
        changed = 0
        if seen.partitions is not None:
            room = max(self._domain.rules.max_partitions - seen.partitions, 0)
            changed = upkeep.reopen(collection, over | _passed(before), after_capacity=room)
        elif seen.cause and not seen.cause.is_transient:
            upkeep.note_cause(collection, seen.cause, seen.error or "")
        # Stored last: whoever sweeps after a crash in between still knows of the outage.
        observing.record(seen)
        if before != seen.cause:
            log.warning("milvus.observed", collection=collection, cause=seen.cause, before=before)
        return changed

    def _close_circuit(self) -> frozenset[Cause]:
        """Let attempts through again; the causes of an outage that no sweep has seen are over.

        A circuit that time-outs opened may have met creations that hang, while listings answer.
        """
        was = self._domain.circuit.close()
        return OUTAGE if was.cause == Cause.MILVUS_UNREACHABLE else frozenset()

    def _look(self, collection: str) -> Observation:
        started = time.monotonic()
        partitions, cause, message = None, None, None
        try:
            partitions = len(self._store.list_partitions(collection))
        except StoreError as error:
            cause, message = error.cause, error.message
        latency_ms = round((time.monotonic() - started) * 1000)
        return Observation(collection, latency_ms, partitions, cause, message)

    def run(self, stop: threading.Event) -> None:
        """Ring what is due every second and sweep every interval, until `stop` is set.

        Sweep and departures have threads of their own: while Milvus keeps them waiting, rings
        go on.
        """
        interval_s = self._settings.reconcile_interval
        # Of several replicas, one sweeps an interval; a little less, so that none is missed.
        rest = timedelta(seconds=interval_s * 0.8)
        sweeper = threading.Thread(
            target=_every, args=(interval_s, lambda: self.sweep(rest), stop), daemon=True
        )
        sweeper.start()
        departing = threading.Thread(
            target=_every, args=(DUE_EVERY_S, lambda: self.depart(stop), stop), daemon=True
        )
        departing.start()
        _every(DUE_EVERY_S, self.ring_due, stop)
        for thread in (sweeper, departing):
            thread.join(timeout=self._settings.milvus_timeout)
        self._store.close()


def _passed(before: Cause | None) -> frozenset[Cause]:
    """The causes that an answered listing shows to be over, given what the last one met."""
    over = {Cause.COLLECTION_MISSING}
    if before in OUTAGE:
        over |= OUTAGE
    if before == Cause.AUTH:
        over.add(Cause.AUTH)
    return frozenset(over)


def _every(seconds: float, work: Callable[[], object], stop: threading.Event) -> None:
    while not stop.is_set():
        began = time.monotonic()
        try:
            work()
        except Exception as error:  # noqa: BLE001
            # The database or Redis may be gone for a while; the next round tries again.
            failure = {"error": type(error).__name__, "message": str(error)}
            log.error("reconcile.round_failed", **failure)  # noqa: TRY400
        stop.wait(max(seconds - (time.monotonic() - began), 0.05))
