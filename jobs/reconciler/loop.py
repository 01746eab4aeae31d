"""The due loop and the sweep: they drive every request on, whatever became of its dispatch."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from jobs.canary.schedule import CanaryLane
from jobs.drift.observations import Observing
from jobs.leader import LeaderLease
from jobs.milvus.client import load_collection
from jobs.milvus.store import PartitionStore, StoreError
from jobs.reconciler.bulk_lanes import OperationsLane, UploadLane
from jobs.reconciler.observe import Observer
from jobs.reconciler.repair import Upkeep
from jobs.reconciler.rollup import Fold
from jobs.removal.claims import Departures
from jobs.removal.runner import DepartureLane
from webapp.logs import get_logger
from webapp.services import Services
from webapp.settings import Settings
from webapp.statistics.heartbeats import DUE

DUE_EVERY_S = 1.0
LOOK_EVERY_S = 1.0
COUNT_EVERY_S = 1.0
# While very much happens, counting it takes at most one part of so many.
COUNTS_AT_MOST = 4
LEASE_S = 5.0

log = get_logger("paratia.reconcile")


class Reconciler:
    """One process's share of keeping requests and Milvus in agreement."""

    def __init__(self, services: Services, store: PartitionStore, settings: Settings) -> None:
        database, rules = services.database, services.rules
        self._services = services
        self._store = store
        self._settings = settings
        self._upkeep = Upkeep(database, services.job_queue, services.dispatcher, rules)
        self._activity = Fold(database, rules)
        self._lane = DepartureLane(Departures(database, rules), Observing(database), store)
        self._operations = OperationsLane(services.operations)
        self._uploads = UploadLane(services.uploads)
        self._canaries = CanaryLane(services, store, settings)
        self._observer = Observer(services, store)
        self._lease = LeaderLease(database)
        # A leader that dies is replaced after this; one that lives renews its lease meanwhile.
        self._lease_lasts = timedelta(seconds=min(LEASE_S, max(settings.reconcile_interval / 2, 1)))

    def depart(self, stop: threading.Event) -> int:
        """Drop what is due to go; returns how many partitions are gone."""
        return self._lane.run_due(stop)

    def operate(self, stop: threading.Event) -> int:
        """Go on with what was asked for many tenants; returns how many batches were taken."""
        return self._operations.run_due(stop)

    def take_uploads(self, stop: threading.Event) -> int:
        """Create the tenants of confirmed files; returns how many files there were."""
        return self._uploads.run(stop)

    def dispatch_due(self) -> None:
        """Dispatch what has come due, leases that ran out included."""
        self._upkeep.expire_leases()
        self._services.dispatcher.dispatch_due()
        self._services.heartbeats.beat(DUE)

    def count(self, stop: threading.Event) -> None:
        """Count what happened, for the charts; rests the longer the more there was."""
        began = time.monotonic()
        self._activity.fold()
        stop.wait((time.monotonic() - began) * (COUNTS_AT_MOST - 1))

    def sweep(self, rest: timedelta = timedelta(0)) -> bool:
        """Sweep once, unless another does now or did less than `rest` ago; True when done."""
        if not self._lease.take(self._lease_lasts, rest):
            return False
        started = time.monotonic()
        counts: dict[str, int] = {}
        try:
            with self._lease_kept():
                for name, step in self._steps():
                    if not self._renew_lease():
                        log.warning("reconcile.turn_lost", before_step=name)
                        return False
                    counts[name] = self._step(name, step)
        finally:
            self._lease.release()
        if any(counts.values()):
            duration_ms = round((time.monotonic() - started) * 1000)
            log.info("reconcile.swept", duration_ms=duration_ms, **counts)
        return True

    def _renew_lease(self) -> bool:
        """Renew the lease; False for a leader that was frozen, and replaced meanwhile.

        What such a one did since is harmless: each change is looked at again as it is made.
        """
        return self._lease.renew(self._lease_lasts)

    @contextmanager
    def _lease_kept(self) -> Iterator[None]:
        """Renew the lease while a step takes long, as when Milvus keeps it waiting."""
        ended = threading.Event()
        pause_s = self._lease_lasts.total_seconds() / 3

        def keep() -> None:
            if not ended.wait(pause_s):
                _every(pause_s, self._renew_lease, ended)

        keeper = threading.Thread(target=keep, daemon=True)
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()

    def _steps(self) -> Iterable[tuple[str, Callable[[], int]]]:
        upkeep = self._upkeep
        yield "leases_expired", upkeep.expire_leases
        if self._settings.milvus_is_embedded:
            yield "loaded", self._load_embedded
        yield "redispatched", upkeep.redispatch_lost
        yield "moved", upkeep.follow_collection
        yield "reopened", self._observer.look_at_all
        yield "ghosts_forgotten", upkeep.forget_ghosts
        yield "dispatched", self._services.dispatcher.dispatch_due
        yield "names_folded", upkeep.fold_names
        yield "keys_pruned", self._services.repeats.prune

    def _load_embedded(self) -> int:
        """Load the collection again where Milvus Lite died and was started anew meanwhile."""
        with suppress(StoreError):
            return load_collection(self._store, self._settings.milvus_collection)
        # That it does not answer, the look at the collections tells and keeps.
        return 0

    def _step(self, name: str, step: Callable[[], int]) -> int:
        """One step; its failure must not keep the others from running."""
        try:
            return step()
        except Exception:
            log.exception("reconcile.step_failed", step=name)
            return 0

    def run(self, stop: threading.Event) -> None:
        """Dispatch what is due every second and sweep every interval, until `stop` is set.

        Sweep, departures, operations and canary have threads of their own: while Milvus keeps
        them waiting, dispatches go on.
        """
        # Of several replicas, one sweeps an interval; all look often whether it still does.
        interval_s = self._settings.reconcile_interval
        look_s = min(LOOK_EVERY_S, interval_s / 5)
        rest = timedelta(seconds=interval_s - look_s)
        lanes = [
            _in_a_lane(look_s, lambda: self.sweep(rest), stop),
            _in_a_lane(DUE_EVERY_S, lambda: self.depart(stop), stop),
            _in_a_lane(DUE_EVERY_S, lambda: self.operate(stop), stop),
            _in_a_lane(DUE_EVERY_S, lambda: self.take_uploads(stop), stop),
        ]
        # Not waited for as long: what a check leaves behind, the next one takes away, and what
        # was not counted is counted later.
        checking = _in_a_lane(interval_s, self._canaries.run_if_due, stop)
        counting = _in_a_lane(COUNT_EVERY_S, lambda: self.count(stop), stop)
        _every(DUE_EVERY_S, self.dispatch_due, stop)
        for lane in lanes:
            lane.join(timeout=self._settings.milvus_timeout)
        for lane in (checking, counting):
            lane.join(timeout=DUE_EVERY_S)
        self._store.close()


def _in_a_lane(
    seconds: float, work: Callable[[], object], stop: threading.Event
) -> threading.Thread:
    lane = threading.Thread(target=_every, args=(seconds, work, stop), daemon=True)
    lane.start()
    return lane


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
