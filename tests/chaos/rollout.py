"""Several machines: restarted one by one under sign-ups, killed, frozen, and restored.

Clients come through the nginx of the README, and repeat nothing by themselves.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

from bench.figures import percentile
from bench.report import show_table
from tests.chaos import surfaces
from tests.chaos.clients import signing_up
from tests.chaos.deployment import PAUSE_S, WEB, Deployment, deployed
from tests.chaos.honesty import watched
from tests.chaos.options import Options
from tests.chaos.promises import Answer, Promises
from tests.chaos.restored_deployment import restore_in_every_order
from tests.chaos.stories import Story
from tests.chaos.surfaces import Outcome, Surfaces, play
from tests.chaos.table import Line, show
from tests.chaos.target import Target
from tests.chaos.trial import await_sign_ups, await_whole, findings

CLIENTS = 4
REST_S = 0.3
# The kills take minutes, and the collection must not be full by then.
LONG_REST_S = 3.0
ROUNDS = 5
READY_WITHIN_S = 60.0
FIRST = 20
SETTINGS = {"RECONCILE_INTERVAL": "5", "MILVUS_TIMEOUT": "3", "PARTITION_GRACE": "0"}
TELL = ("readyz", "api", "doctor")


def run(options: Options) -> bool:
    """True when no request was lost, each death was told in time, and no number came twice."""
    kept = []
    with deployed(options.random(), **SETTINGS) as (target, deployment):
        promises = Promises()
        if options.chooses("rolling restart"):
            kept.append(_roll(target, deployment, promises, options.share_of(ROUNDS)))
        if stories := _stories(deployment, options):
            kept.append(_strike(target, deployment, promises, stories))
        if options.chooses("restored"):
            kept.append(restore_in_every_order(target, deployment))
    return all(kept)


def _roll(target: Target, deployment: Deployment, promises: Promises, rounds: int) -> bool:
    """Restart each process in turn, as docs/operations.md says, while tenants sign up."""
    reads: list[str] = []
    with (
        watched(target, promises) as honesty,
        _signing_up(deployment, promises),
        _reading(deployment, reads),
    ):
        await_sign_ups(promises, FIRST)
        for _ in range(rounds):
            for name in deployment.processes:
                deployment.stop(name)
                deployment.start(name)
                if name in WEB:
                    time.sleep(PAUSE_S)
        last = target.database.last_number()
    healed_s = await_whole(target, last, time.monotonic())
    honesty.await_clear()
    bad = [one for one in promises.all() if one.answer is not Answer.ACKNOWLEDGED]
    misses = [f"sign-up: {one.answer}, status {one.status}" for one in bad]
    misses += [f"page: {one}" for one in reads if one != "200"]
    longest_s = max(one.took_s for one in promises.all())
    p99_s = percentile([one.took_s for one in promises.all()], 0.99)
    line = Line(
        fault="rolling restart",
        trials=rounds * len(deployment.processes),
        acknowledged=len(promises.acknowledged()),
        findings=frozenset(findings(target, promises)),
        healed_s=[healed_s],
        bound_s=READY_WITHIN_S,
        lies=honesty.lies,
        misses=misses,
    )
    notes = [f"POST: p99 {p99_s * 1000:.0f} ms, longest {longest_s:.2f} s; {len(reads)} pages read"]
    return show("Two instances behind nginx, restarted one by one", [line], notes)


@contextmanager
def _signing_up(
    deployment: Deployment, promises: Promises, rest_s: float = REST_S
) -> Iterator[None]:
    clients = [deployment.client() for _ in range(CLIENTS)]
    try:
        with signing_up(clients, promises, rest_s):
            yield
    finally:
        for each in clients:
            each.close()


@contextmanager
def _reading(deployment: Deployment, seen: list[str]) -> Iterator[None]:
    """Somebody who reads the list of tenants all the time, over a connection for each call."""
    ended = threading.Event()
    headers = {"Authorization": f"Bearer {deployment.token}"}
    address = f"{deployment.nginx.address}/api/tenants?limit=5"

    def read() -> None:
        while not ended.wait(REST_S):
            try:
                answer = httpx.get(address, headers=headers, verify=False, timeout=40)
                seen.append(str(answer.status_code))
            except httpx.TransportError as error:
                seen.append(repr(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        ended.set()
        reader.join()


def _stories(deployment: Deployment, options: Options) -> list[Story]:
    """Each process killed, and frozen."""
    faults = (("killed", deployment.without), ("frozen", deployment.suspended))
    return [
        Story("process_silent", f"{name} {fault}", lambda _, n=name, how=how: how(n), surfaces=TELL)
        for name in deployment.processes
        for fault, how in faults
        if options.chooses(f"{name} {fault}")
    ]


def _strike(
    target: Target, deployment: Deployment, promises: Promises, stories: Sequence[Story]
) -> bool:
    """Play the stories under sign-ups: who tells of it, how soon, and until when."""
    outcomes: list[Outcome] = []
    with (
        httpx.Client() as no_browser,
        watched(target, promises) as honesty,
        _signing_up(deployment, promises, LONG_REST_S),
    ):
        for story in stories:
            outcomes.append(play(target, Surfaces(target, no_browser), story))
        last = target.database.last_number()
    await_whole(target, last, time.monotonic())
    honesty.await_clear()
    found = [f"{one.harm}: {one.what}" for one in findings(target, promises)]
    notes = [*(each.miss for each in outcomes if each.miss), *honesty.lies, *found]
    cells = [each.cells() for each in outcomes]
    show_table("Each process killed and frozen", surfaces.HEADER, cells, notes)
    return not notes and all(each.is_kept for each in outcomes)
