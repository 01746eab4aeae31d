"""Milvus gone for longer than all attempts: everybody fails, and is ready soon after its return."""

import time

from bench.report import progress
from tests.chaos.clients import callers, signing_up
from tests.chaos.faults.milvus import gone
from tests.chaos.ledger import Ledger
from tests.chaos.options import Options
from tests.chaos.table import Line, show
from tests.chaos.target import Target, target
from tests.chaos.trial import await_sign_ups, await_whole, findings
from tests.engines.process import wait_until

SIGN_UPS = 500
READY_WITHIN_S = 60.0
ALL_FAILED_WITHIN_S = 600.0
# An hour's attempts in a minute; what heals, the sweep, keeps its default.
SHORT_WAITS = {"MILVUS_TIMEOUT": "2", "PARTITION_BACKOFF": "1"}


def run(options: Options) -> bool:
    """True when all were ready within a minute, with nobody called."""
    ledger = Ledger()
    database = options.databases[0]
    with target(database, options.random(), **SHORT_WAITS) as running:
        with gone(running, ledger):
            with callers(running.product) as clients, signing_up(clients, ledger, 0):
                await_sign_ups(ledger, SIGN_UPS)
            _await_all_failed(running)
        last = running.database.last_number()
        healed_s = await_whole(running, last, time.monotonic())
        line = Line(
            fault="Milvus gone for all attempts",
            trials=1,
            acknowledged=len(ledger.acknowledged()),
            findings=frozenset(findings(running, ledger)),
            healed_s=[healed_s],
            bound_s=READY_WITHIN_S,
        )
    return show(f"Attempts used up on {database}", [line])


def _await_all_failed(target: Target) -> None:
    def failed() -> bool:
        return all(row.state == "failed" for row in target.database.rows())

    wait_until(failed, ALL_FAILED_WITHIN_S, "every attempt of everybody to be used up")
    progress("everybody has failed; Milvus returns")
