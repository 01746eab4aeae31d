"""The jobs that RQ runs: numbers in, nothing out. The queue rings; the database decides."""

import threading
import time

from jobs.chunk import Chunk
from jobs.context import Worker, job_context
from jobs.fallback import FailedAttempt, OneAttempt, Stopped
from jobs.leases import LeaseLost, Leases
from jobs.stopping import stop_requests
from jobs.store import StoreError
from webapp.logs import get_logger
from webapp.tenants.attempts import Claim
from webapp.tenants.causes import NO_ANSWER, Cause
from webapp.tenants.circuit import CircuitOpen, Entry

log = get_logger("paratia.jobs")


class ProvisioningFailed(Exception):
    """An attempt failed and is recorded; raised so that RQ shows the job as failed."""

    def __init__(self, claim: Claim, cause: Cause, message: str) -> None:
        super().__init__(
            f"tenant {claim.tenant_id}, attempt {claim.attempt} of {claim.max_attempts}: "
            f"{cause}: {message}"
        )


def create_partition(tenant_id: int, generation: int) -> None:
    """Make one tenant's partition, if this wish is due and nobody has it in hand.

    Safe to run again, and several times at once.

    Raises:
        ProvisioningFailed: the attempt failed; the row has its cause and what comes next.
    """
    # Heard before the claim: a worker that is stopped right after it hands the attempt back.
    with job_context() as (worker, job_id), stop_requests() as stop:
        claims = worker.domain.attempts.claim([(tenant_id, generation)], job_id)
        if not claims and job_id:
            claims = worker.domain.attempts.claim_requeued(tenant_id, generation, job_id)
        for claim in claims:
            _attempt(worker, claim, stop)


def create_partitions(wishes: list[list[int]]) -> None:
    """Make the partitions of many tenants; whoever fails gets a job of their own.

    Safe to run again, and several times at once.
    """
    pairs = [(tenant_id, generation) for tenant_id, generation in wishes]
    with job_context() as (worker, job_id), stop_requests() as stop:
        attempts, circuit = worker.domain.attempts, worker.domain.circuit
        claims = attempts.claim(pairs, job_id)
        if not claims:
            return
        try:
            entry = circuit.enter()
        except CircuitOpen as shut:
            attempts.hand_back(claims, str(shut))
            return
        timeout_s = worker.settings.partition_chunk_timeout
        chunk = Chunk(worker.store, attempts, worker.domain.rules, stop, timeout_s)
        unanswered = chunk.run(claims)
        if unanswered:
            circuit.no_answer(entry, unanswered.cause, unanswered.message)
        else:
            circuit.answered(entry)


def _attempt(worker: Worker, claim: Claim, stop: threading.Event) -> None:
    started = time.monotonic()
    try:
        entry = worker.domain.circuit.enter()
    except CircuitOpen as shut:
        refusal = FailedAttempt(StoreError(shut.cause, str(shut)), None)
        _record_failure(worker, claim, refusal, started)
        return
    _attempt_within(entry, worker, claim, stop, started)


def _attempt_within(
    entry: Entry, worker: Worker, claim: Claim, stop: threading.Event, started: float
) -> None:
    attempts, rules, circuit = worker.domain.attempts, worker.domain.rules, worker.domain.circuit
    leases = Leases(attempts, [claim], rules.lease)
    one = OneAttempt(
        worker.store,
        worker.script,
        attempts,
        leases,
        stop,
        rules.max_partitions,
        is_probe=entry.is_probe,
    )
    try:
        outcome = one.run(claim)
    except Stopped:
        circuit.give_up(entry)
        attempts.hand_back([claim], "the worker was asked to stop")
    except LeaseLost:
        circuit.give_up(entry)
        log.warning("milvus.partition.lease_lost", tenant_id=claim.tenant_id)
    except FailedAttempt as error:
        _tell_circuit(entry, worker, claim, error, answered_before=one.was_answered)
        _record_failure(worker, claim, error, started)
    else:
        adopted = {claim.tenant_id: outcome.rows} if outcome.is_adopted else None
        attempts.record_ready([claim], outcome, _ms_since(started), adopted)
        circuit.answered(entry)


def _tell_circuit(
    entry: Entry, worker: Worker, claim: Claim, error: FailedAttempt, *, answered_before: bool
) -> None:
    circuit = worker.domain.circuit
    if error.cause not in NO_ANSWER:
        circuit.answered(entry)
        return
    circuit.no_answer(
        entry,
        error.cause,
        error.message,
        tenant_id=claim.tenant_id,
        answered_before=answered_before,
    )


def _record_failure(worker: Worker, claim: Claim, error: FailedAttempt, started: float) -> None:
    recorded = worker.domain.attempts.record_failure(
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
