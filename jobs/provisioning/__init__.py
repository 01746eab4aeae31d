"""The jobs that RQ runs. A job has numbers alone; the database decides what is done."""

import time

from jobs.context import Worker, job_context
from jobs.milvus.store import StoreError
from jobs.provisioning.attempt import Attempt, FailedAttempt, Stopped
from jobs.provisioning.chunk import Chunk
from jobs.provisioning.circuit_breaker import CircuitBreaker, CircuitOpen, Entry
from jobs.provisioning.claims import Attempts
from jobs.provisioning.leases import LeaseLost, Leases
from webapp.logs import get_logger
from webapp.models.causes import Cause
from webapp.models.partition import Partition

log = get_logger("paratia.jobs")


class ProvisioningFailed(Exception):
    """An attempt failed and is recorded; raised so that RQ shows the job as failed."""

    def __init__(self, claim: Partition, cause: Cause, message: str) -> None:
        super().__init__(
            f"tenant {claim.tenant_id}, attempt {claim.attempts} of {claim.max_attempts}: "
            f"{cause}: {message}"
        )


def create_partition(tenant_id: int, generation: int) -> None:
    """Make one tenant's partition, if this request is due and not claimed. Idempotent.

    Raises:
        ProvisioningFailed: the attempt failed; the row has its cause and what comes next.
    """
    with job_context() as (worker, job_id):
        # The claim asks the database whether this check, by any process, found it restored.
        worker.services.incarnations.check()
        provisioner = Provisioner(worker)
        attempts = provisioner.attempts
        claims = attempts.claim([(tenant_id, generation)], job_id)
        if not claims and job_id:
            claims = attempts.claim_requeued(tenant_id, generation, job_id)
        for claim in claims:
            provisioner.attempt(claim)


def create_partitions(requests: list[list[int]]) -> None:
    """Make the partitions of many tenants; each that fails gets a single job. Idempotent."""
    pairs = [(tenant_id, generation) for tenant_id, generation in requests]
    with job_context() as (worker, job_id):
        worker.services.incarnations.check()
        provisioner = Provisioner(worker)
        if claims := provisioner.attempts.claim(pairs, job_id):
            provisioner.attempt_chunk(claims)


class Provisioner:
    """Makes attempts that the circuit breaker permits, and records their outcomes."""

    def __init__(self, worker: Worker) -> None:
        database, self._policy = worker.services.database, worker.services.policy
        self._worker = worker
        self._circuit = CircuitBreaker(database, self._policy)
        self.attempts = Attempts(database, self._policy)

    def attempt_chunk(self, claims: list[Partition]) -> None:
        """One attempt for all claims; those that fail are handed back for single attempts."""
        try:
            entry = self._circuit.enter()
        except CircuitOpen as shut:
            self.attempts.hand_back(claims, str(shut))
            return
        worker = self._worker
        give_up_at = time.monotonic() + worker.settings.partition_chunk_timeout
        chunk = Chunk(worker.store, self.attempts, self._policy, worker.stop, give_up_at)
        unanswered = chunk.run(claims)
        if unanswered:
            self._circuit.failed(entry, unanswered.cause, unanswered.message)
        else:
            self._circuit.answered(entry)

    def attempt(self, claim: Partition) -> None:
        """One attempt for one claim; raises ProvisioningFailed after the failure is recorded."""
        started = time.monotonic()
        try:
            entry = self._circuit.enter()
        except CircuitOpen as shut:
            refusal = FailedAttempt(StoreError(shut.cause, str(shut)), None)
            self._record_failure(claim, refusal, started)
            return
        self._attempt_within(entry, claim, started)

    def _attempt_within(self, entry: Entry, claim: Partition, started: float) -> None:
        one = Attempt(
            self._worker.store,
            self._worker.script,
            self.attempts,
            Leases(self.attempts, [claim], self._policy.lease),
            self._worker.stop,
            self._policy.max_partitions,
            is_probe=entry.is_probe,
        )
        try:
            outcome = one.run(claim)
        except Stopped:
            self._circuit.give_up(entry)
            self.attempts.hand_back([claim], "the worker was asked to stop")
        except LeaseLost:
            self._circuit.give_up(entry)
            log.warning("milvus.partition.lease_lost", tenant_id=claim.tenant_id)
        except FailedAttempt as error:
            self._circuit.failed(
                entry,
                error.cause,
                error.message,
                tenant_id=claim.tenant_id,
                answered_before=one.was_answered,
            )
            self._record_failure(claim, error, started)
        else:
            adopted = {claim.tenant_id: outcome.rows} if outcome.is_adopted else None
            self.attempts.record_ready([claim], outcome, _ms_since(started), adopted)
            self._circuit.answered(entry)

    def _record_failure(self, claim: Partition, error: FailedAttempt, started: float) -> None:
        recorded = self.attempts.record_failure(
            claim,
            error.cause,
            error.message,
            provider=error.provider,
            duration_ms=_ms_since(started),
        )
        if recorded:
            raise ProvisioningFailed(claim, error.cause, error.message) from error


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
