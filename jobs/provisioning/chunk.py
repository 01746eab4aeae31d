"""One attempt for many partitions: one listing before, and one after as proof."""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from jobs.milvus.at_once import ask_each
from jobs.milvus.store import PartitionStore, StoreError
from jobs.provisioning.attempt import check_room
from jobs.provisioning.claims import Attempts, Outcome
from jobs.provisioning.leases import LeaseLost, Leases
from jobs.provisioning.ownership import accepted, is_to_be_emptied
from webapp.models.causes import NO_ANSWER
from webapp.models.partition import Partition
from webapp.models.states import Provider, Result
from webapp.partitions.policy import Policy


@dataclass(frozen=True)
class Chunk:
    """Works on a list of claims. Those that fail here are handed back for single jobs."""

    store: PartitionStore
    attempts: Attempts
    policy: Policy
    stop: threading.Event
    give_up_at: float

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
        leases = Leases(self.attempts, claims, self.policy.lease)
        try:
            names = self.store.list_partitions(collection)
            left = self._record_existing(collection, claims, names, started)
            self._make(collection, left, leases, used=len(names))
            names = self.store.list_partitions(collection)
        except StoreError as error:
            self.attempts.hand_back(claims, error.message)
            return error
        proven = [claim for claim in left if claim.name in names]
        self._record(proven, Result.CREATED, started)
        missing = [claim for claim in left if claim.name not in names]
        self.attempts.hand_back(missing, "not made in this chunk; each is tried by itself")
        return None

    def _record_existing(
        self, collection: str, claims: Sequence[Partition], names: frozenset[str], started: float
    ) -> list[Partition]:
        """Record the partitions that exist; returns the claims whose partition does not."""
        existing = [claim for claim in claims if claim.name in names]
        doubtful = [claim.name for claim in existing if not claim.owns_rows]
        rows = self.store.count_each(collection, doubtful) if doubtful else {}
        outcomes = {claim: _outcome_of(claim, rows.get(claim.name)) for claim in existing}
        ready = {claim: outcome for claim, outcome in outcomes.items() if outcome}
        adopted = {c.tenant_id: outcome.rows for c, outcome in ready.items() if outcome.is_adopted}
        for result in Result:
            same = [claim for claim, outcome in ready.items() if outcome.result == result]
            self._record(same, result, started, adopted)
        refused = [claim for claim, outcome in outcomes.items() if outcome is None]
        if refused:
            self.attempts.hand_back(refused, "rows are there; each is looked at by itself")
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
            self.attempts.record_ready(claims, outcome, duration_ms, adopted)

    def _make(
        self, collection: str, claims: Sequence[Partition], leases: Leases, *, used: int
    ) -> None:
        if not claims:
            return
        check_room(used, self.policy.max_partitions, collection)
        wanted = {claim.tenant_id for claim in claims}
        held = [claim for claim in leases.renew(seen_absent=True) if claim.tenant_id in wanted]

        def make(claim: Partition) -> None:
            with suppress(LeaseLost):
                leases.hold(claim)
                self.store.create_partition(collection, claim.name)

        # The second listing decides about each.
        ask_each(held[: self.policy.max_partitions - used], make, self._must_end)

    def _must_end(self) -> bool:
        return self.stop.is_set() or time.monotonic() > self.give_up_at


def _outcome_of(claim: Partition, rows: int | None) -> Outcome | None:
    """The outcome of a partition that exists; None where a single attempt must decide."""
    if is_to_be_emptied(claim, rows):
        return None
    try:
        return accepted(claim, rows, Provider.SDK)
    except StoreError:
        return None
