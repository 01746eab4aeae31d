"""The collection is full: whoever does not fit says so, and follows when the limit is raised."""

import time

from tests.chaos.clients import callers, signing_up
from tests.chaos.options import Options
from tests.chaos.promises import Promises
from tests.chaos.table import Line, show
from tests.chaos.target import Target, ground
from tests.chaos.trial import await_sign_ups, await_whole, findings
from tests.engines.process import wait_until

# `_default` takes one place.
PLACES = 20
SIGN_UPS = 50
TOLD_WITHIN_S = 60.0
READY_WITHIN_S = 60.0


def run(options: Options) -> bool:
    """True when everybody beyond the limit failed for `capacity`, and was ready once it rose."""
    promises = Promises()
    database = options.databases[0]
    with ground(database, options.random()) as under:
        with under.running(MILVUS_MAX_PARTITIONS=str(PLACES)) as full:
            with callers(full.product) as clients, signing_up(clients, promises, 0):
                await_sign_ups(promises, SIGN_UPS)
            misses = _told(full)
        with under.running() as raised:
            last = raised.database.last_number()
            healed_s = await_whole(raised, last, time.monotonic())
            found = frozenset(findings(raised, promises))
    line = Line(
        fault=f"{PLACES} places for {len(promises.acknowledged())} tenants",
        trials=1,
        acknowledged=len(promises.acknowledged()),
        findings=found,
        healed_s=[healed_s],
        bound_s=READY_WITHIN_S,
        misses=misses,
    )
    return show(f"A full collection on {database}", [line])


def _told(target: Target) -> list[str]:
    beyond = target.database.last_number() - (PLACES - 1)

    def is_told() -> bool:
        return target.database.failures() == {"capacity": beyond}

    try:
        wait_until(is_told, TOLD_WITHIN_S, "all beyond the limit to be told")
    except TimeoutError:
        return [f"of {beyond} beyond the limit failed: {target.database.failures()}"]
    return []
