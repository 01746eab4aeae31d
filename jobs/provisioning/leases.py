"""Renews the leases of claims while their calls run."""

import threading
import time
from collections.abc import Sequence
from datetime import timedelta

from jobs.provisioning.claims import Attempts
from webapp.models.partition import Partition

# A lease lasts two calls and 5 s. Renewed after a quarter of it, it outlasts every single call,
# so no other worker can claim the row during one.
RENEW_AFTER = 0.25


class LeaseLost(Exception):
    """Another worker has the row, or the tenant was deleted: the work must stop."""


class Leases:
    """The leases of a list of claims; safe to ask from several threads."""

    def __init__(self, attempts: Attempts, claims: Sequence[Partition], lease: timedelta) -> None:
        self._attempts = attempts
        self._held = {claim.tenant_id: claim for claim in claims}
        self._renew_after_s = lease.total_seconds() * RENEW_AFTER
        self._lock = threading.Lock()
        self._renewed_at = time.monotonic()

    def hold(self, claim: Partition) -> None:
        """Make sure that the claim outlasts the call that follows.

        Raises:
            LeaseLost: the claim does not hold any more.
        """
        with self._lock:
            if time.monotonic() - self._renewed_at > self._renew_after_s:
                self._renew()
            if claim.tenant_id not in self._held:
                raise LeaseLost(f"tenant {claim.tenant_id}")

    def renew(self, *, seen_absent: bool = False) -> list[Partition]:
        """Renew all of them now; returns those still held."""
        with self._lock:
            self._renew(seen_absent=seen_absent)
            return list(self._held.values())

    def _renew(self, *, seen_absent: bool = False) -> None:
        # Read before the database writes, so that our lease never outlasts the stored one.
        renewed_at = time.monotonic()
        held = self._attempts.renew(list(self._held.values()), seen_absent=seen_absent)
        self._held = {claim.tenant_id: claim for claim in held}
        self._renewed_at = renewed_at

    def renew_one(self, claim: Partition, *, seen_absent: bool = False) -> Partition:
        """Renew all, and return this claim as it is now.

        Raises:
            LeaseLost: the claim does not hold any more.
        """
        self.renew(seen_absent=seen_absent)
        if claim.tenant_id not in self._held:
            raise LeaseLost(f"tenant {claim.tenant_id}")
        return self._held[claim.tenant_id]
