"""The jobs that RQ runs: numbers in, nothing out. The queue rings; the database decides."""

import time

from jobs.chunk import Chunk
from jobs.context import Worker, job_context
from jobs.fallback import FailedAttempt, OneAttempt, Stopped
from jobs.leases import LeaseLost, Leases
from jobs.stopping import stop_requests
from webapp.logs import get_logger
from webapp.tenants.attempts import Claim
from webapp.tenants.causes import Cause

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
    with job_context() as (worker, job_id):
        claims = worker.domain.attempts.claim([(tenant_id, generation)], job_id)
        if not claims and job_id:
            claims = worker.domain.attempts.claim_requeued(tenant_id, generation, job_id)
        for claim in claims:
            _attempt(worker, claim)


def create_partitions(wishes: list[list[int]]) -> None:
    """Make the partitions of many tenants; whoever fails gets a job of their own.

    Safe to run again, and several times at once.
    """
    pairs = [(tenant_id, generation) for tenant_id, generation in wishes]
    with job_context() as (worker, job_id), stop_requests() as stop:
        claims = worker.domain.attempts.claim(pairs, job_id)
        Chunk(
            worker.store,
            worker.domain.attempts,
            worker.domain.rules,
            stop,
            worker.settings.partition_chunk_timeout,
        ).run(claims)


def _attempt(worker: Worker, claim: Claim) -> None:
    attempts, rules = worker.domain.attempts, worker.domain.rules
    started = time.monotonic()
    with stop_requests() as stop:
        leases = Leases(attempts, [claim], rules.lease)
        one = OneAttempt(worker.store, worker.script, attempts, leases, stop, rules.max_partitions)
        try:
            outcome = one.run(claim)
        except Stopped:
            attempts.hand_back([claim], "the worker was asked to stop")
            return
        except LeaseLost:
            log.warning("milvus.partition.lease_lost", tenant_id=claim.tenant_id)
            return
        except FailedAttempt as error:
            _record_failure(worker, claim, error, started)
            return
    attempts.record_ready([claim], outcome, _ms_since(started))


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
