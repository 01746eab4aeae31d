"""When the canary runs: once an hour, on request, and never twice at once."""

import logging
import time
from datetime import timedelta

from jobs.canary.check import Canary
from jobs.drift.check import DriftCheck
from jobs.drift.observations import record_observation
from jobs.milvus.store import PartitionStore
from webapp.halts.restored_state import is_suspected
from webapp.leader import LeaderLease
from webapp.logs import get_logger
from webapp.models.states import CanaryOutcome
from webapp.partitions.isolation_checks import CanaryReport, is_check_due, record_check
from webapp.services import Services
from webapp.settings import Settings

CANARY = "canary"
POLL_S = 0.25
# The time for all calls of a check: some may be slow, or be the server's first.
SHORTEST_CHECK_S = 30.0

LOGGED_AS = {
    CanaryOutcome.PASSED: ("milvus.canary.passed", logging.INFO),
    CanaryOutcome.NOT_RUN: ("milvus.canary.not_run", logging.WARNING),
    CanaryOutcome.FAILED: ("milvus.canary.failed", logging.ERROR),
}

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
        """Check when a check is due and no other process checks; never while all is halted."""
        # Its probes are partitions too.
        if self._is_halted() or not self._is_due() or not self._take_lease():
            return None
        try:
            # Another process may have checked since the first look.
            return self._run() if self._is_due() else None
        finally:
            self._lease.release()

    def run_now(self) -> CanaryReport:
        """Check as soon as any other check has ended; not while provisioning is paused."""
        if self._services.pauses.is_on():
            return CanaryReport(CanaryOutcome.NOT_RUN, "provisioning is paused")
        if self._services.brakes.is_on(self._collection):
            return CanaryReport(CanaryOutcome.NOT_RUN, "a brake holds this collection back")
        if self._is_halted():
            return CanaryReport(CanaryOutcome.NOT_RUN, "the database was restored")
        give_up_at = time.monotonic() + self._lease_s
        while not self._take_lease():
            if time.monotonic() > give_up_at:
                return CanaryReport(CanaryOutcome.NOT_RUN, "another check does not end")
            time.sleep(POLL_S)
        try:
            return self._run()
        finally:
            self._lease.release()

    def _is_halted(self) -> bool:
        """During a pause, behind a brake, and before a restored database was compared."""
        services = self._services
        is_held = services.pauses.is_on() or services.brakes.is_on(self._collection)
        return is_held or services.database.read(is_suspected)

    def _is_due(self) -> bool:
        return is_check_due(self._services.database, self._collection)

    def _take_lease(self) -> bool:
        return self._lease.take(timedelta(seconds=self._lease_s))

    def _run(self) -> CanaryReport:
        started = time.monotonic()
        try:
            report = self._canary.run(self._collection)
        except Exception as error:
            # An answer that the check cannot read shows nothing about isolation.
            log.exception("milvus.canary.broke", collection=self._collection)
            message = f"the check does not understand Milvus: {type(error).__name__}"
            report = CanaryReport(CanaryOutcome.NOT_RUN, message)
        duration_ms = round((time.monotonic() - started) * 1000)
        if not record_check(self._services.database, self._collection, report):
            # No sweep has observed the collection yet, so it has no row.
            observation, _listing = DriftCheck(self._services, self._store).observe(
                self._collection
            )
            record_observation(self._services.database, observation)
            record_check(self._services.database, self._collection, report)
        event, level = LOGGED_AS[report.outcome]
        fields = {"message": report.message, "duration_ms": duration_ms}
        log.log(level, event, collection=self._collection, **fields)
        return report
