"""A long outage of Milvus under sign-ups: nobody who signs up notices it."""

import time
from collections.abc import Sequence

from bench.figures import percentile
from bench.report import progress
from tests.chaos.clients import Client, callers, signing_up
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.milvus import frozen, gone, network
from tests.chaos.options import Options
from tests.chaos.promises import Answer, Creation, Promises
from tests.chaos.table import Line, show
from tests.chaos.target import Target, target
from tests.chaos.trial import await_sign_ups, await_whole, findings
from tests.engines.proxy import Mode

SIGN_UPS = 200
REST_S = 0.3
READY_WITHIN_S = 60.0
SLOWER_AT_MOST = 2.0
OUTAGES = [
    Fault("Milvus frozen", frozen),
    Fault("Milvus cut off", network(Mode.REFUSE)),
    Fault("Milvus gone", gone),
    Fault("Milvus behind a black hole", network(Mode.HANG)),
]


def run(options: Options) -> bool:
    """True when all were acknowledged as fast as ever, and were ready soon after."""
    lines = []
    chosen = [fault for fault in OUTAGES if options.chooses(fault.name)]
    with (
        target(options.databases[0], options.random()) as running,
        callers(running.product) as all_,
    ):
        for fault in chosen:
            lines.append(_endure(running, fault, all_, options.outage_s))
            progress(f"{fault.name}: all ready after {lines[-1].healed_s[0]:.1f} s")
    return show(f"Outages of {options.outage_s:g} s on {options.databases[0]}", lines)


def _endure(target: Target, fault: Fault, clients: Sequence[Client], lasts_s: float) -> Line:
    promises = Promises()
    well = _sign_up(clients, promises)
    await_whole(target, target.database.last_number(), time.monotonic())
    with fault.during(target, promises):
        ends_at = time.monotonic() + lasts_s
        ill = _sign_up(clients, promises)
        time.sleep(max(ends_at - time.monotonic(), 0))
    healed_s = await_whole(target, target.database.last_number(), time.monotonic())
    return Line(
        fault=fault.name,
        trials=1,
        acknowledged=len(promises.acknowledged()),
        findings=frozenset(findings(target, promises)),
        healed_s=[healed_s],
        bound_s=READY_WITHIN_S,
        misses=_misses(fault.name, well, ill),
    )


def _sign_up(clients: Sequence[Client], promises: Promises) -> Sequence[Creation]:
    before = len(promises.all())
    with signing_up(clients, promises, REST_S):
        await_sign_ups(promises, len(promises.acknowledged()) + SIGN_UPS)
    return promises.all()[before:]


def _misses(name: str, well: Sequence[Creation], ill: Sequence[Creation]) -> list[str]:
    usual_s, then_s = _p99(well), _p99(ill)
    said = f"{name}: POST's p99 {usual_s * 1000:.0f} ms well, {then_s * 1000:.0f} ms then"
    progress(said)
    unanswered = [one for one in ill if one.answer is not Answer.ACKNOWLEDGED]
    misses = [f"{name}: {len(unanswered)} sign-ups were not acknowledged"] if unanswered else []
    return misses + ([said] if then_s > SLOWER_AT_MOST * usual_s else [])


def _p99(creations: Sequence[Creation]) -> float:
    return percentile([creation.took_s for creation in creations], 0.99)
