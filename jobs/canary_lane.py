"""When the canary runs: once an hour, when it is asked for, and never twice at once."""

import os
import secrets
import socket
import time
from datetime import timedelta

from jobs.canary import Canary
from jobs.store import PartitionStore, StoreError
from webapp.domain import Domain
from webapp.logs import get_logger
from webapp.settings import Settings
from webapp.tenants.canaries import CanaryReport
from webapp.tenants.observing import Observation
from webapp.tenants.states import CanaryOutcome

TURN = "canary"
POLL_S = 0.25
# What all calls of a check may take together: a few may be slow, or be the server's first.
SHORTEST_CHECK_S = 30.0

log = get_logger("paratia.canary")


class CanaryLane:
    """Checks the collection in use, one check at a time over all processes."""

    def __init__(self, domain: Domain, store: PartitionStore, settings: Settings) -> None:
        self._domain = domain
        self._store = store
        self._collection = settings.milvus_collection
        check_s = max(SHORTEST_CHECK_S, 4 * settings.milvus_timeout)
        self._canary = Canary(store, settings.milvus_max_partitions, check_s)
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        # Two drops may follow a check at its end, and none may begin after the turn is over.
        self._turn_s = check_s + 4 * settings.milvus_timeout

    def run_if_due(self) -> CanaryReport | None:
        """Check when a check is due and nobody else is at it."""
        canaries = self._domain.canaries
        # Its probes are partitions too, so it waits for the end of a pause.
        if self._domain.pauses.is_on() or not canaries.is_due(self._collection):
            return None
        if not self._take_turn():
            return None
        try:
            # Somebody else may have been at it just now.
            return self._run() if canaries.is_due(self._collection) else None
        finally:
            self._domain.observing.end_turn(self._holder, TURN)

    def run_now(self) -> CanaryReport:
        """Check as soon as whoever checks now has ended; not while provisioning is paused."""
        if self._domain.pauses.is_on():
            return CanaryReport(CanaryOutcome.NOT_RUN, "provisioning is paused")
        give_up_at = time.monotonic() + self._turn_s
        while not self._take_turn():
            if time.monotonic() > give_up_at:
                return CanaryReport(CanaryOutcome.NOT_RUN, "another check does not end")
            time.sleep(POLL_S)
        try:
            return self._run()
        finally:
            self._domain.observing.end_turn(self._holder, TURN)

    def _take_turn(self) -> bool:
        lasts = timedelta(seconds=self._turn_s)
        return self._domain.observing.take_turn(self._holder, lasts, timedelta(0), TURN)

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
        if not self._domain.canaries.record(self._collection, report):
            self._look()
            self._domain.canaries.record(self._collection, report)
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
        self._domain.observing.record(seen)
