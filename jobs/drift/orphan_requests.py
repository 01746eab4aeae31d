"""Fulfils the requests to count or drop orphans, with proof."""

import threading
import time
from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.drift.observations import located
from jobs.drift.orphan_claims import OrphanClaims
from jobs.drift.orphans import DEFAULT_PARTITION
from jobs.milvus.store import CollectionMoved, CollectionReplaced, PartitionStore, StoreError
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.halts.restored_state import RestoredState
from webapp.models.causes import Cause
from webapp.models.control import Installation
from webapp.models.orphan import OrphanRequest
from webapp.models.states import OrphanAction, OrphanOutcome
from webapp.numbers.counter import lift_above
from webapp.numbers.incarnation import THE_ROW, Incarnations
from webapp.partitions.orphans import MOVED, RESTORED_SINCE, TOO_OLD
from webapp.partitions.policy import ORPHAN_REQUEST_LASTS
from webapp.services import Services

STILL_LISTED = "Milvus acknowledged the drop but lists it still"
LEASE_OVER = "the process stalled before the drop; nothing was dropped"


@dataclass(frozen=True)
class OrphanRequests:
    """Takes requests one by one. May run in several processes at once."""

    database: Database
    claims: OrphanClaims
    store: PartitionStore
    incarnations: Incarnations

    @classmethod
    def of(cls, services: Services, store: PartitionStore) -> "OrphanRequests":
        claims = OrphanClaims(services.database, services.policy)
        return cls(services.database, claims, store, services.incarnations)

    def run_due(self, stop: threading.Event) -> int:
        """Fulfil all that wait; returns how many. No request is tried a second time."""
        count = 0
        while not stop.is_set() and (claim := self.claims.claim()):
            count += 1
            try:
                self._fulfil(claim)
            except StoreError as error:
                is_elsewhere = isinstance(error, CollectionMoved | CollectionReplaced)
                outcome = OrphanOutcome.REFUSED if is_elsewhere else OrphanOutcome.FAILED
                message = MOVED if isinstance(error, CollectionMoved) else error.message
                self.claims.record_end(claim, outcome, message)
        return count

    def _fulfil(self, claim: OrphanRequest) -> None:
        """Raises StoreError where Milvus did not answer or refused."""
        place = located(self.database, self.store, claim.collection).name
        if claim.partition not in self.store.list_partitions(place):
            # A drop that began in a process which died may have been acknowledged.
            gone = OrphanOutcome.DROPPED if claim.drop_began_at else OrphanOutcome.ABSENT
            self.claims.record_end(claim, gone)
        elif claim.action == OrphanAction.COUNT:
            self.claims.record_count(claim, self.store.count_rows(place, claim.partition))
        elif reason := self._why_outdated(claim):
            self.claims.record_end(claim, OrphanOutcome.REFUSED, reason)
        elif claim.partition == DEFAULT_PARTITION:
            raise StoreError(Cause.INVALID_NAME, "Milvus keeps its default partition")
        else:
            self._drop(claim, place)

    def _why_outdated(self, claim: OrphanRequest) -> str | None:
        """Why what was confirmed then may not be so any more: a tenant may have it since."""
        if claim.asked_at < utc_now() - ORPHAN_REQUEST_LASTS:
            return TOO_OLD
        # A restore that nobody has noticed is noticed now.
        self.incarnations.check()
        restored = RestoredState.of(self.database.read(Session.get, Installation, THE_ROW))
        return RESTORED_SINCE if restored and restored.at > claim.asked_at else None

    def _drop(self, claim: OrphanRequest, place: str) -> None:
        # No sign-up may draw the number while its partition is being dropped.
        lift_above(self.database, [claim.partition])
        rows = self.store.count_rows(place, claim.partition)
        ends_at = time.monotonic() + self.claims.lease.total_seconds() - 1
        begun = self.claims.begin(claim, rows, place)
        if isinstance(begun, str):
            self.claims.record_end(claim, OrphanOutcome.REFUSED, begun)
        elif begun is not None:
            self._drop_begun(begun, place, ends_at)

    def _drop_begun(self, claim: OrphanRequest, place: str, ends_at: float) -> None:
        """Drop and list: the list alone is the proof."""
        error: StoreError | None = None
        try:
            if time.monotonic() > ends_at:
                # Another process may have ended it, and a tenant may have the number now.
                self.claims.record_end(claim, OrphanOutcome.FAILED, LEASE_OVER)
                return
            self.store.drop_partition(place, claim.partition)
        except StoreError as refusal:
            error = refusal
        try:
            names = self.store.list_partitions(place)
        except StoreError as unproven:
            raise error or unproven from None
        if claim.partition not in names:
            self.claims.record_end(claim, OrphanOutcome.DROPPED)
        else:
            message = error.message if error else STILL_LISTED
            self.claims.record_end(claim, OrphanOutcome.FAILED, message)
