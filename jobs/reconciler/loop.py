"""The due loop and the sweep, which complete every request even after a lost dispatch."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from jobs.canary.schedule import CanarySchedule
from jobs.drift.orphan_requests import OrphanRequests
from jobs.milvus.client import load_collection
from jobs.milvus.store import PartitionStore, StoreError
from jobs.pruning.pruner import Pruner
from jobs.reconciler.bulk_loops import run_imports, run_operations
from jobs.reconciler.numbering import Numbers
from jobs.reconciler.observe import Observer
from jobs.reconciler.older_version import complete_moments
from jobs.reconciler.repair import Repair
from jobs.reconciler.rollup import Rollup
from jobs.removal.claims import RemovalClaims
from jobs.removal.runner import RemovalRunner
from webapp import idempotency
from webapp.leader import LeaderLease
from webapp.logs import get_logger
from webapp.outages import first_line
from webapp.processes.beats import DUE, beat
from webapp.services import Services
from webapp.settings import Settings

DUE_EVERY_S = 1.0
BEAT_EVERY_S = 5.0
LOOK_EVERY_S = 1.0
COUNT_EVERY_S = 1.0
# While there is much to count, counting takes at most this fraction of the time.
COUNTS_AT_MOST = 4
LEASE_S = 5.0

log = get_logger("paratia.reconcile")


class Reconciler:
    """The loops of one reconciler process; several may run at once."""

    def __init__(self, services: Services, store: PartitionStore, settings: Settings) -> None:
        database, policy = services.database, services.policy
        self._services = services
        self._store = store
        self._settings = settings
        self._repair = Repair(database, services.job_queue, services.dispatcher, policy)
        self._rollup = Rollup(database, policy)
        is_known = services.incarnations.check
        self._removals = RemovalRunner(database, RemovalClaims(database, policy), store, is_known)
        self._orphans = OrphanRequests.of(services, store)
        self._canary = CanarySchedule(services, store, settings)
        self._observer = Observer(services, store)
        self._pruner = Pruner(database, settings)
        self._numbers = Numbers(services, store)
        self._lease = LeaderLease(database)
        self._beat_at = -math.inf
        self._show: Callable[[str | None], object] = lambda _: None
        # A leader that dies is replaced after this time; a living one renews its lease.
        self._lease_lasts = timedelta(seconds=min(LEASE_S, max(settings.reconcile_interval / 2, 1)))

    def remove_due(self, stop: threading.Event) -> int:
        """Remove the partitions that are due; returns how many."""
        if self._services.incarnations.check():
            self._services.incarnations.keep_clock()
        return self._removals.run_due(stop)

    def fulfil_requests(self, stop: threading.Event) -> int:
        """Count and drop the orphans for which that is requested; returns how many."""
        return self._orphans.run_due(stop)

    def dispatch_due(self) -> None:
        """Dispatch what is due, also rows whose lease has expired."""
        self._repair.expire_leases()
        self._services.dispatcher.dispatch_due()
        if time.monotonic() - self._beat_at > BEAT_EVERY_S:
            beat(self._services.database, DUE)
            self._beat_at = time.monotonic()

    def count(self, stop: threading.Event) -> None:
        """Count events for the charts; the pause is in proportion to the time it took."""
        began = time.monotonic()
        self._rollup.roll_up()
        stop.wait((time.monotonic() - began) * (COUNTS_AT_MOST - 1))

    def sweep(self, rest: timedelta = timedelta(0)) -> bool:
        """Sweep once, unless another sweep runs or ended less than `rest` ago; True when done."""
        if not self._lease.take(self._lease_lasts, rest):
            return False
        started = time.monotonic()
        counts: dict[str, int] = {}
        try:
            with self._keep_lease():
                for name, step in self._steps():
                    # A leader that was frozen and replaced stops. Its changes so far did no harm:
                    # each UPDATE checks its condition.
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
        return self._lease.renew(self._lease_lasts)

    @contextmanager
    def _keep_lease(self) -> Iterator[None]:
        """Renew the lease during a long step, as when Milvus is slow."""
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
        repair = self._repair
        yield "compared", self._numbers.compare
        yield "leases_expired", repair.expire_leases
        if self._settings.milvus_is_embedded:
            yield "loaded", self._load_embedded
        yield "redispatched", repair.redispatch_lost
        yield "moved", repair.follow_collection
        yield "reopened", self._observer.look_at_all
        yield "stale_jobs_dropped", repair.drop_stale_failed_jobs
        yield "dispatched", self._services.dispatcher.dispatch_due
        yield "names_folded", repair.fold_names
        yield "moments_completed", lambda: complete_moments(self._services.database)
        yield "keys_pruned", lambda: idempotency.prune(self._services.database)
        yield "pruned", self._pruner.prune

    def _load_embedded(self) -> int:
        """Load the collection again after a restart of Milvus Lite."""
        with suppress(StoreError):
            return load_collection(self._store, self._settings.milvus_collection)
        # The observation of the collection stores that there was no answer.
        return 0

    def _step(self, name: str, step: Callable[[], int]) -> int:
        """Run one step; a failure must not stop the others."""
        self._show(f"sweep: {name}")
        try:
            return step()
        except Exception as error:
            log.exception("reconcile.step_failed", step=name, repeats=(name, first_line(error)))
            return 0
        finally:
            self._show(None)

    def run(
        self, stop: threading.Event, show: Callable[[str | None], object] = lambda _: None
    ) -> None:
        """Dispatch what is due every second and sweep every interval, until `stop` is set.

        `show` is told the step of the sweep that runs, and None after it.

        Sweep, removals, orphans, operations, imports and canary have their own threads, so that
        dispatches go on while Milvus is slow.
        """
        # One of several replicas sweeps in an interval; all check often whether it still does.
        self._show = show
        interval_s = self._settings.reconcile_interval
        look_s = min(LOOK_EVERY_S, interval_s / 5)
        rest = timedelta(seconds=interval_s - look_s)
        services, call_s = self._services, self._settings.milvus_timeout
        # How often, what, and how long its end is waited for. Of the last two it is short: the next
        # check drops the probes of one that was cut short, and events are counted later.
        loops: list[tuple[float, Callable[[], object], float]] = [
            (look_s, lambda: self.sweep(rest), call_s),
            (DUE_EVERY_S, lambda: self.remove_due(stop), call_s),
            (DUE_EVERY_S, lambda: self.fulfil_requests(stop), call_s),
            (DUE_EVERY_S, lambda: run_operations(services.operations, stop), call_s),
            (DUE_EVERY_S, lambda: run_imports(services.uploads, stop), call_s),
            (interval_s, self._canary.run_if_due, DUE_EVERY_S),
            (COUNT_EVERY_S, lambda: self.count(stop), DUE_EVERY_S),
        ]
        threads = [_in_a_thread(seconds, work, stop) for seconds, work, _ in loops]
        _every(DUE_EVERY_S, self.dispatch_due, stop)
        for thread, (_, _, within_s) in zip(threads, loops, strict=True):
            thread.join(timeout=within_s)
        self._store.close()


def _in_a_thread(
    seconds: float, work: Callable[[], object], stop: threading.Event
) -> threading.Thread:
    loop = threading.Thread(target=_every, args=(seconds, work, stop), daemon=True)
    loop.start()
    return loop


def _every(seconds: float, work: Callable[[], object], stop: threading.Event) -> None:
    while not stop.is_set():
        began = time.monotonic()
        try:
            work()
        except Exception as error:  # noqa: BLE001
            # The database or Redis may be down; the next round tries again.
            failure = {"error": type(error).__name__, "message": str(error)}
            repeats = (failure["error"], first_line(error))
            log.error("reconcile.round_failed", **failure, repeats=repeats)  # noqa: TRY400
        stop.wait(max(seconds - (time.monotonic() - began), 0.05))
