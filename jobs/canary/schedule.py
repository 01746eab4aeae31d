"""When the canary runs: once an hour, when it is asked for, and never twice at once."""

import time
from datetime import timedelta

from jobs.canary.check import Canary
from jobs.drift.observations import Observation, Observations
from jobs.leader import LeaderLease
from jobs.milvus.store import PartitionStore, StoreError
from webapp.logs import get_logger
from webapp.models.states import CanaryOutcome
from webapp.partitions.isolation_checks import CanaryReport
from webapp.services import Services
from webapp.settings import Settings

CANARY = "canary"
POLL_S = 0.25
# What all calls of a check may take together: a few may be slow, or be the server's first.
SHORTEST_CHECK_S = 30.0

log = get_logger("paratia.canary")


class CanarySchedule:
    """Checks the collection in use, one check at a time over all processes."""

    def __init__(self, services: Services, store: PartitionStore, settings: Settings) -> None:
        self._services = services
        self._store = store
        self._collection = settings.milvus_collection
        check_s = max(SHORTEST_CHECK_S, 4 * settings.milvus_timeout)
        self._canary = Canary(store, settings.milvus_max_partitions, check_s)
        self._lease = LeaderLease(services.database, CANARY)
        # Two drops may follow a check at its end, and none may begin after the lease is over.
        self._lease_s = check_s + 4 * settings.milvus_timeout

    def run_if_due(self) -> CanaryReport | None:
        """Check when a check is due and nobody else is at it."""
        canaries = self._services.canaries
        # Its probes are partitions too, so it waits for the end of a pause.
        if self._services.pauses.is_on() or not canaries.is_due(self._collection):
            return None
        if not self._take_lease():
            return None
        try:
            # Somebody else may have been at it just now.
            return self._run() if canaries.is_due(self._collection) else None
        finally:
            self._lease.release()

    def run_now(self) -> CanaryReport:
        """Check as soon as whoever checks now has ended; not while provisioning is paused."""
        if self._services.pauses.is_on():
            return CanaryReport(CanaryOutcome.NOT_RUN, "provisioning is paused")
        give_up_at = time.monotonic() + self._lease_s
        while not self._take_lease():
            if time.monotonic() > give_up_at:
                return CanaryReport(CanaryOutcome.NOT_RUN, "another check does not end")
            time.sleep(POLL_S)
        try:
            return self._run()
        finally:
            self._lease.release()

    def _take_lease(self) -> bool:
        return self._lease.take(timedelta(seconds=self._lease_s))

    def _run(self) -> CanaryReport:
        started = time.monotonic()
        try:
            report = self._canary.run(self._collection)
        except Exception as error:
            # An answer that the check does not understand shows nothing about isolation.
            log.exception("milvus.canary.broke", collection=self._collection)
            message = f"the check does not understand Milvus: {type(error).__name__}"
            report = CanaryReport(CanaryOutcome.NOT_RUN, message)
        duration_ms = round((time.monotonic() - started) * 1000)
        if not self._services.canaries.record(self._collection, report):
            self._look()
            self._services.canaries.record(self._collection, report)
        fields = {
            "collection": self._collection,
            "message": report.message,
            "duration_ms": duration_ms,
        }
        if report.outcome == CanaryOutcome.FAILED:
            log.error("milvus.canary.failed", **fields)
        elif report.outcome == CanaryOutcome.NOT_RUN:
            log.warning("milvus.canary.not_run", **fields)
        else:
            log.info("milvus.canary.passed", **fields)
        return report

    def _look(self) -> None:
        """Note what is seen of a collection that no sweep ever looked at."""
        started = time.monotonic()
        names, cause, message = None, None, None
        try:
            names = self._store.list_partitions(self._collection)
        except StoreError as error:
            cause, message = error.cause, error.message
        latency_ms = round((time.monotonic() - started) * 1000)
        partitions = None if names is None else len(names)
        seen = Observation(self._collection, latency_ms, partitions, cause, message)
        Observations(self._services.database).record(seen)
