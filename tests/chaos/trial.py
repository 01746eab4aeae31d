"""One trial: sign-ups go on, a fault comes and goes, all heals, three lists are compared."""

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grpc import RpcError
from pymilvus.exceptions import MilvusException
from sqlalchemy.exc import SQLAlchemyError

from tests.chaos.clients import Client, signing_up
from tests.chaos.compare import Finding, compare
from tests.chaos.faults.fault import Fault
from tests.chaos.honesty import watched
from tests.chaos.promises import Promises
from tests.chaos.target import Target
from tests.engines.process import wait_until

T = TypeVar("T")

# Far above every bound: what is not whole by then is reported as lost.
WHOLE_WITHIN_S = 180.0
SIGN_UPS_WITHIN_S = 120.0
REST_S = 0.5
UNANSWERED = (SQLAlchemyError, MilvusException, RpcError, OSError)


@dataclass(frozen=True)
class Trial:
    fault: str
    acknowledged: int
    findings: frozenset[Finding]
    healed_s: float
    # What a surface said that was not so, and how long conditions stayed after the healing.
    lies: Sequence[str] = ()
    cleared_s: float = 0.0
    # Why it could not be carried through, where it could not.
    miss: str = ""


def attempt(
    target: Target, fault: Fault, clients: Sequence[Client], promises: Promises, creations: int
) -> Trial:
    """`run_trial`, told as a trial that never healed where it waited in vain."""
    before = len(promises.acknowledged())
    try:
        return run_trial(target, fault, clients, promises, creations)
    except TimeoutError as error:
        acknowledged = len(promises.acknowledged()) - before
        return Trial(fault.name, acknowledged, frozenset(), math.inf, f"{fault.name}: {error}")


def run_trial(
    target: Target, fault: Fault, clients: Sequence[Client], promises: Promises, creations: int
) -> Trial:
    """Strike while at least so many creations are acknowledged, and tell what came of it.

    The time to heal runs from the end of the fault (for a process: its death) until every
    tenant created before is ready and has its partition.

    Raises:
        TimeoutError: the fault's point was not reached, or hardly anybody could sign up.
    """
    wait_until(target.product.run.serves, SIGN_UPS_WITHIN_S, "the web processes to be back")
    known = findings(target, promises)
    before = len(promises.acknowledged())
    with watched(target, promises) as honesty:
        with signing_up(clients, promises, REST_S):
            await_sign_ups(promises, before + target.random.randint(1, max(creations // 2, 1)))
            with fault.during(target, promises):
                time.sleep(fault.lasts_s)
            healed_at = time.monotonic()
            last = answered(target.database.last_number)
            await_sign_ups(promises, before + creations)
        healed_s = await_whole(target, last, healed_at)
        if healed_s < WHOLE_WITHIN_S:
            await_whole(target, answered(target.database.last_number), time.monotonic())
        cleared_s = honesty.await_clear()
    return Trial(
        fault=fault.name,
        acknowledged=len(promises.acknowledged()) - before,
        findings=frozenset(findings(target, promises) - known),
        healed_s=healed_s,
        lies=honesty.lies,
        cleared_s=cleared_s,
    )


def await_whole(target: Target, last: int, since: float) -> float:
    """Seconds since that moment until every tenant up to the number has its partition.

    Returns after WHOLE_WITHIN_S at the latest, whole or not.
    """
    try:
        wait_until(lambda: _is_whole(target, last), WHOLE_WITHIN_S, "all to be ready")
    except TimeoutError as error:
        print(f"  ! {error}", file=sys.stderr, flush=True)
    return time.monotonic() - since


def findings(target: Target, promises: Promises) -> set[Finding]:
    return compare(promises, answered(target.database.rows), answered(target.partitions.names))


def answered(question: Callable[[], T]) -> T:
    """The answer of an engine that may still be coming back."""
    found: list[T] = []

    def ask() -> bool:
        try:
            found.append(question())
        except UNANSWERED:
            return False
        return True

    wait_until(ask, WHOLE_WITHIN_S, "an answer")
    return found[0]


def _is_whole(target: Target, last: int) -> bool:
    try:
        if target.database.unready(last):
            return False
        partitions = set(target.partitions.names())
        wanted = {
            row.partition for row in target.database.rows() if row.id <= last and not row.is_deleted
        }
    except UNANSWERED:
        return False
    return wanted <= partitions


def await_sign_ups(promises: Promises, number: int) -> None:
    """Wait until so many creations are acknowledged in all.

    Raises:
        TimeoutError: the clients hardly get an answer any more.
    """
    wait_until(
        lambda: len(promises.acknowledged()) >= number, SIGN_UPS_WITHIN_S, f"{number} sign-ups"
    )
