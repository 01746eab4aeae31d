"""A worker's changes of partition rows: claim, renew the lease, record the outcome.

A claim is the right to work on one partition until the lease ends: the row as it was when its
fence was raised. Every UPDATE compares the fence, a number that only grows: a worker that lost its
lease updates 0 rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_
from sqlalchemy.orm import Session

from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.halts.brake_state import HELD, HELD_VALUES
from webapp.halts.pause_state import NOT_PAUSED
from webapp.halts.restored_state import SUSPECTED
from webapp.models.causes import PROBED, Cause
from webapp.models.partition import Partition
from webapp.models.states import IfExists, PartitionState, Provider, Result
from webapp.partitions import events, repeats
from webapp.partitions.cas import change, change_held, is_one_of
from webapp.partitions.policy import Policy, reopen_pause
from webapp.partitions.requests import request_again


@dataclass(frozen=True)
class Outcome:
    """A proven result. `rows` is the number of adopted rows, None where it is unknown."""

    result: Result
    provider: Provider
    is_adopted: bool = False
    rows: int | None = None


class Attempts:
    """Claims and records for lists of tenants; a sign-up has a list of one."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy

    def claim(self, requests: Sequence[tuple[int, int]], job_id: str | None) -> list[Partition]:
        """Claim those of the (tenant, generation) requests that are due and not claimed.

        During a pause none is claimed, and those that are due wait for another dispatch; so do
        those that a brake holds, and they say so.
        """
        now = utc_now()
        due = and_(
            Partition.state == PartitionState.PENDING,
            or_(Partition.next_attempt_at.is_(None), Partition.next_attempt_at <= now),
        )
        free = or_(
            due,
            and_(
                Partition.state == PartitionState.PROVISIONING,
                Partition.lease_until < now,
                # After the last attempt the sweep records the failure; it is not claimed again.
                Partition.attempts < Partition.max_attempts,
            ),
        )
        wanted = is_one_of(requests, Partition.generation)
        with self._database.transaction() as session:
            claims = self._take(session, and_(wanted, free), job_id, now)
            if len(claims) < len(requests):
                # Only a pause, a brake or a restore leaves due rows. This job ends now, so they
                # need another dispatch; the new fence keeps this job's dispatcher from marking
                # them as dispatched.
                waits = {"dispatch_after": now, "fence": Partition.fence + 1}
                change(session, and_(wanted, due, ~HELD), waits)
                change(session, and_(wanted, due, HELD), waits | HELD_VALUES)
        return claims

    def claim_requeued(self, tenant_id: int, generation: int, job_id: str) -> list[Partition]:
        """Claim a partition whose last attempt was this job's, when that was requeued by hand.

        A failed one is requested again; one that waits for its next attempt has it now. The row
        has the id of its last attempt's job, which has an older generation after it was requeued
        before; another job is of an old dispatch. During a pause the request waits.
        """
        now = utc_now()
        its_own = and_(
            Partition.tenant_id == tenant_id,
            Partition.generation >= generation,
            Partition.claimed_job_id == job_id,
        )
        with self._database.transaction() as session:
            afresh = request_again(session, its_own, self._policy.attempts, now)
            events.record_each(session, afresh, events.RETRIED, actor="queue")
            waits = and_(its_own, Partition.state == PartitionState.PENDING)
            return self._take(session, waits, job_id, now)

    def _take(
        self, session: UnitOfWork, which: ColumnElement[bool], job_id: str | None, now: datetime
    ) -> list[Partition]:
        values = {
            "state": PartitionState.PROVISIONING,
            "state_since": now,
            "attempts": Partition.attempts + 1,
            "fence": Partition.fence + 1,
            "lease_until": now + self._policy.lease,
            "claimed_job_id": job_id,
            "next_attempt_at": None,
            "dispatch_after": None,
        }
        claims = list(change(session, and_(which, NOT_PAUSED, ~HELD, ~SUSPECTED), values))
        events.record(session, [_entry(claim, events.CREATING) for claim in claims])
        return claims

    def renew(self, claims: Sequence[Partition], *, seen_absent: bool = False) -> list[Partition]:
        """Lengthen the leases; returns the claims still held. Work on the others must stop.

        With `seen_absent` it is stored that the partition did not exist: rows that are found in it
        later are this tenant's own, and rows that a proven one had may be lost.
        """
        now = utc_now()
        values: dict[str, Any] = {"lease_until": now + self._policy.lease}
        if seen_absent:
            values["seen_absent_at"] = func.coalesce(Partition.seen_absent_at, now)
            values["rows_lost_at"] = _lost_at(now)
        with self._database.transaction() as session:
            return list(change_held(session, claims, PartitionState.PROVISIONING, values))

    def record_ready(
        self,
        claims: Sequence[Partition],
        outcome: Outcome,
        duration_ms: int,
        adopted: Mapping[int, int | None] | None = None,
    ) -> list[Partition]:
        """Record a proof; returns the claims still held.

        `adopted` has the number of adopted rows by tenant.
        """
        adopted = adopted or {}
        name = events.CREATED if outcome.result == Result.CREATED else events.ALREADY_EXISTS
        seen = {"provider": outcome.provider, "duration_ms": duration_ms}
        with self._database.transaction() as session:
            held = _change(session, claims, _proven(outcome, adopted))
            taken_over = [
                _entry(claim, events.ADOPTED, message=events.row_count(adopted[claim.tenant_id]))
                for claim in held
                if claim.tenant_id in adopted
            ]
            events.record(session, [*taken_over, *(_entry(claim, name, **seen) for claim in held)])
        return held

    def record_failure(
        self,
        claim: Partition,
        cause: Cause,
        message: str,
        *,
        provider: Provider | None,
        duration_ms: int,
    ) -> bool:
        """Record a failed attempt: another follows after the pause, or the request has failed.

        Returns False, and records nothing, when the claim was lost.
        """
        values = self._after_failure(claim, cause) | {
            "state_since": utc_now(),
            "cause": cause,
            "error": message,
            "provider": provider,
            "lease_until": None,
        }
        seen = {"provider": provider, "cause": cause, "message": message}
        with self._database.transaction() as session:
            held = _change(session, [claim], values)
            failures = [
                _entry(each, events.CREATE_FAILED, duration_ms=duration_ms, **seen) for each in held
            ]
            events.record(session, failures)
            repeats.merge_attempts(session, held)
        return bool(held)

    def _after_failure(self, claim: Partition, cause: Cause) -> dict[str, Any]:
        now = utc_now()
        if cause.is_transient and claim.attempts < claim.max_attempts:
            due = now + self._policy.backoff
            return {
                "state": PartitionState.PENDING,
                "next_attempt_at": due,
                "dispatch_after": due,
                "reopen_at": None,
            }
        may_pass = cause.is_transient or cause == Cause.CAPACITY or cause in PROBED
        pause = reopen_pause(claim.reopens)
        return {"state": PartitionState.FAILED, "reopen_at": now + pause if may_pass else None}

    def note(self, claim: Partition, event: str, message: str, cause: Cause | None = None) -> None:
        """Record an event of the SDK under this claim."""
        entry = _entry(claim, event, provider=Provider.SDK, cause=cause, message=message)
        with self._database.transaction() as session:
            events.record(session, [entry])

    def hand_back(self, claims: Sequence[Partition], reason: str) -> None:
        """Give up the claims without the attempt: each is dispatched again at once."""
        now = utc_now()
        values = {
            "state": PartitionState.PENDING,
            "state_since": now,
            "attempts": Partition.attempts - 1,
            "lease_until": None,
            "dispatch_after": now,
        }
        with self._database.transaction() as session:
            held = _change(session, claims, values)
            entries = [_entry(claim, events.HANDED_BACK, message=reason) for claim in held]
            events.record(session, entries)


def _change(
    session: Session, claims: Sequence[Partition], values: dict[str, Any]
) -> list[Partition]:
    """Change the rows of the claims; returns the claims that held until now, as they were."""
    changed = change_held(session, claims, PartitionState.PROVISIONING, values)
    numbers = {row.tenant_id for row in changed}
    return [claim for claim in claims if claim.tenant_id in numbers]


def _proven(outcome: Outcome, adopted: Mapping[int, int | None]) -> dict[str, Any]:
    now = utc_now()
    values = {
        "state": PartitionState.READY,
        "state_since": now,
        "result": outcome.result,
        "provider": outcome.provider,
        "cause": None,
        "error": None,
        "waiting_since": None,
        "ready_at": now,
        "verified_at": now,
        "lease_until": None,
        "reopens": 0,
        "reopen_at": None,
        "if_exists": IfExists.REFUSE,
    }
    if outcome.result == Result.CREATED:
        values["rows_lost_at"] = _lost_at(now)
    if adopted:
        rows = case(adopted, value=Partition.tenant_id, else_=Partition.adopted_rows)
        values["adopted_rows"] = rows
    return values


def _lost_at(now: datetime) -> ColumnElement[datetime | None]:
    """The mark of a partition that is made now: one that was proven before is a new, empty one."""
    lost = func.coalesce(Partition.rows_lost_at, now)
    return case((Partition.ready_at.is_not(None), lost), else_=Partition.rows_lost_at)


def _entry(claim: Partition, event: str, **fields: Any) -> events.Entry:
    of_claim = {"attempt": claim.attempts, "job_id": claim.claimed_job_id}
    return events.entry_of(claim, event, **of_claim, **fields)
