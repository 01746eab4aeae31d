"""One attempt for many partitions: one listing before, and one after as proof."""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from jobs.milvus.store import PartitionStore, StoreError
from jobs.provisioning.attempt import check_room
from jobs.provisioning.claims import Attempts, Outcome
from jobs.provisioning.leases import LeaseLost, Leases
from jobs.provisioning.ownership import accepted, is_to_be_emptied
from webapp.models.causes import NO_ANSWER
from webapp.models.partition import Partition
from webapp.models.states import Provider, Result
from webapp.partitions.policy import Policy

# Milvus creates no more partitions a second with 16 callers than with 8: its CPU is the limit.
CALLERS = 8


class Chunk:
    """Works on a list of claims. Those that fail here are handed back for single jobs."""

    def __init__(
        self,
        store: PartitionStore,
        attempts: Attempts,
        policy: Policy,
        stop: threading.Event,
        timeout_s: float,
    ) -> None:
        self._store = store
        self._attempts = attempts
        self._policy = policy
        self._stop = stop
        self._give_up_at = time.monotonic() + timeout_s

    def run(self, claims: Sequence[Partition]) -> StoreError | None:
        """Record the partitions that exist at the end; hand back the other claims.

        Returns the error of a listing that Milvus did not answer.
        """
        unanswered: StoreError | None = None
        by_collection = sorted(claims, key=lambda claim: claim.collection)
        for collection, group in groupby(by_collection, key=lambda claim: claim.collection):
            error = self._run(collection, list(group))
            if error and error.cause in NO_ANSWER:
                unanswered = error
        return unanswered

    def _run(self, collection: str, claims: list[Partition]) -> StoreError | None:
        started = time.monotonic()
        leases = Leases(self._attempts, claims, self._policy.lease)
        try:
            names = self._store.list_partitions(collection)
            left = self._record_existing(collection, claims, names, started)
            self._make(collection, left, leases, used=len(names))
            names = self._store.list_partitions(collection)
        except StoreError as error:
            self._attempts.hand_back(claims, error.message)
            return error
        proven = [claim for claim in left if claim.name in names]
        self._record(proven, Result.CREATED, started)
        missing = [claim for claim in left if claim.name not in names]
        self._attempts.hand_back(missing, "not made in this chunk; each is tried by itself")
        return None

    def _record_existing(
        self, collection: str, claims: Sequence[Partition], names: frozenset[str], started: float
    ) -> list[Partition]:
        """Record the partitions that exist; returns the claims whose partition does not."""
        existing = [claim for claim in claims if claim.name in names]
        doubtful = [claim.name for claim in existing if not claim.owns_rows]
        rows = self._store.count_each(collection, doubtful) if doubtful else {}
        outcomes = {claim: _outcome_of(claim, rows.get(claim.name)) for claim in existing}
        ready = {claim: outcome for claim, outcome in outcomes.items() if outcome}
        adopted = {c.tenant_id: outcome.rows for c, outcome in ready.items() if outcome.is_adopted}
        for result in Result:
            same = [claim for claim, outcome in ready.items() if outcome.result == result]
            self._record(same, result, started, adopted)
        refused = [claim for claim, outcome in outcomes.items() if outcome is None]
        if refused:
            self._attempts.hand_back(refused, "rows are there; each is looked at by itself")
        return [claim for claim in claims if claim.name not in names]

    def _record(
        self,
        claims: Sequence[Partition],
        result: Result,
        started: float,
        adopted: Mapping[int, int | None] | None = None,
    ) -> None:
        duration_ms = round((time.monotonic() - started) * 1000)
        if claims:
            outcome = Outcome(result, Provider.SDK)
            self._attempts.record_ready(claims, outcome, duration_ms, adopted)

    def _make(
        self, collection: str, claims: Sequence[Partition], leases: Leases, *, used: int
    ) -> None:
        if not claims:
            return
        check_room(used, self._policy.max_partitions, collection)
        wanted = {claim.tenant_id for claim in claims}
        held = [claim for claim in leases.renew(seen_absent=True) if claim.tenant_id in wanted]
        no_answer = threading.Event()

        def make(claim: Partition) -> None:
            if self._must_end(no_answer):
                return
            try:
                leases.hold(claim)
                self._store.create_partition(collection, claim.name)
            except StoreError as error:
                # The second listing decides. A server that does not answer would cost each of
                # the other creations a time-out.
                if error.cause in NO_ANSWER:
                    no_answer.set()
            except LeaseLost:
                return

        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(make, held[: self._policy.max_partitions - used]))

    def _must_end(self, no_answer: threading.Event) -> bool:
        late = time.monotonic() > self._give_up_at
        return late or no_answer.is_set() or self._stop.is_set()


def _outcome_of(claim: Partition, rows: int | None) -> Outcome | None:
    """The outcome of a partition that exists; None where a single attempt must decide."""
    if is_to_be_emptied(claim, rows):
        return None
    try:
        return accepted(claim, rows, Provider.SDK)
    except StoreError:
        return None
