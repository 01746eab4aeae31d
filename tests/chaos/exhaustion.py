"""Milvus gone for longer than all attempts: everybody fails, and is ready soon after its return."""

import time
from collections.abc import Sequence

from tests.chaos.clients import Client, callers, signing_up
from tests.chaos.faults.milvus import gone
from tests.chaos.options import Options
from tests.chaos.promises import Promises
from tests.chaos.table import Line, show
from tests.chaos.target import Target, target
from tests.chaos.trial import await_sign_ups, await_whole, findings
from tests.engines.process import wait_until

SIGN_UPS = 500
READY_WITHIN_S = 60.0
SPENT_WITHIN_S = 600.0
# An hour's attempts in a minute; what heals, the sweep, keeps its default.
SHORT_WAITS = {"MILVUS_TIMEOUT": "2", "PARTITION_BACKOFF": "1"}


def run(options: Options) -> bool:
    """True when all were ready within a minute, with nobody called."""
    database = options.databases[0]
    with (
        target(database, options.random(), **SHORT_WAITS) as running,
        callers(running.product) as clients,
    ):
        line = exhaust(running, clients, Promises(), SIGN_UPS)
    return show(f"Attempts used up on {database}", [line])


def exhaust(target: Target, clients: Sequence[Client], promises: Promises, sign_ups: int) -> Line:
    """Sign up while Milvus is gone, until everybody has failed for good; then let it return."""
    before = len(promises.acknowledged())
    with gone(target, promises):
        with signing_up(clients, promises, 0):
            await_sign_ups(promises, before + sign_ups)
        last = target.database.last_number()
        wait_until(
            lambda: target.database.unready(last) == target.database.failed(last),
            SPENT_WITHIN_S,
            "every attempt of everybody to be used up",
        )
    healed_s = await_whole(target, last, time.monotonic())
    return Line(
        fault="Milvus gone for all attempts",
        trials=1,
        acknowledged=len(promises.acknowledged()) - before,
        findings=frozenset(findings(target, promises)),
        healed_s=[healed_s],
        bound_s=READY_WITHIN_S,
    )
