"""Keeps the leases of claims alive while their calls run, and tells who has lost one."""

import threading
import time
from collections.abc import Sequence
from datetime import timedelta

from jobs.provisioning.claims import Attempts, Claim

# A lease is two calls and 5 s long; renewed after a quarter of it, what is left outlasts any
# one call, so nobody else can hold the row while a call of ours is under way.
RENEW_AFTER = 0.25


class LeaseLost(Exception):
    """Somebody else has the row, or it was deleted: whatever is in hand must stop."""


class Leases:
    """The leases of a list of claims; safe to ask from several threads."""

    def __init__(self, attempts: Attempts, claims: Sequence[Claim], lease: timedelta) -> None:
        self._attempts = attempts
        self._held = {claim.tenant_id: claim for claim in claims}
        self._renew_after_s = lease.total_seconds() * RENEW_AFTER
        self._lock = threading.Lock()
        self._renewed_at = time.monotonic()

    def hold(self, claim: Claim) -> None:
        """Make sure that the claim outlasts the call that follows.

        Raises:
            LeaseLost: it is somebody else's now.
        """
        with self._lock:
            if time.monotonic() - self._renewed_at > self._renew_after_s:
                self._renew()
            if claim.tenant_id not in self._held:
                raise LeaseLost(f"tenant {claim.tenant_id}")

    def renew(self, *, seen_absent: bool = False) -> list[Claim]:
        """Renew all of them now; returns those still held."""
        with self._lock:
            self._renew(seen_absent=seen_absent)
            return list(self._held.values())

    def _renew(self, *, seen_absent: bool = False) -> None:
        # The clock is read before the database writes: ours runs out first, never last.
        renewed_at = time.monotonic()
        held = self._attempts.renew(list(self._held.values()), seen_absent=seen_absent)
        self._held = {claim.tenant_id: claim for claim in held}
        self._renewed_at = renewed_at

    def renew_one(self, claim: Claim, *, seen_absent: bool = False) -> Claim:
        """Renew all, and return this claim as it is now.

        Raises:
            LeaseLost: it is somebody else's now.
        """
        self.renew(seen_absent=seen_absent)
        if claim.tenant_id not in self._held:
            raise LeaseLost(f"tenant {claim.tenant_id}")
        return self._held[claim.tenant_id]
