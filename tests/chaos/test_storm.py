"""Whatever dies, every acknowledged tenant ends with exactly its own partition, by itself.

The short form of `make chaos`: a few faults at their named points, with short waits.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from random import Random

import pytest

from tests.chaos.clients import Client, callers
from tests.chaos.exhaustion import exhaust
from tests.chaos.faults import FAULTS
from tests.chaos.faults.fault import Fault
from tests.chaos.promises import Promises
from tests.chaos.target import Target, target
from tests.chaos.trial import run_trial

SHORT_WAITS = {"MILVUS_TIMEOUT": "2", "PARTITION_BACKOFF": "1", "RECONCILE_INTERVAL": "2"}
CREATIONS = 5
HEALED_WITHIN_S = 45.0
CHOSEN = [
    FAULTS["web killed between commit and dispatch"],
    FAULTS["worker killed after the call"],
    FAULTS["Redis flushed"],
]


@pytest.fixture(scope="module")
def running() -> Iterator[Target]:
    with target("sqlite", Random(17), **SHORT_WAITS) as started:
        yield started


@pytest.fixture(scope="module")
def clients(running: Target) -> Iterator[Sequence[Client]]:
    with callers(running.product) as calling:
        yield calling


@pytest.fixture(scope="module")
def promises() -> Promises:
    return Promises()


@pytest.mark.parametrize("fault", CHOSEN, ids=lambda fault: fault.name)
def test_nobody_is_lost_doubled_or_shown_to_another_when(
    fault: Fault, running: Target, clients: Sequence[Client], promises: Promises
) -> None:
    trial = run_trial(running, fault, clients, promises, CREATIONS)
    assert not trial.findings
    assert not trial.lies
    assert trial.acknowledged >= CREATIONS
    assert trial.healed_s < HEALED_WITHIN_S


def test_everybody_is_ready_soon_when_milvus_returns_after_all_their_attempts(
    running: Target, clients: Sequence[Client], promises: Promises
) -> None:
    first = running.database.last_number() + 1
    assert exhaust(running, clients, promises, CREATIONS).is_kept
    events = running.product.events(first)
    begun, ended = (
        [datetime.fromisoformat(event["at"]) for event in events if event["event"].endswith(name)]
        for name in (".creating", ".create_failed")
    )
    assert len(ended) == 3
    pauses = [(start - end).total_seconds() for start, end in zip(begun[1:], ended, strict=False)]
    assert min(pauses[:2]) >= float(SHORT_WAITS["PARTITION_BACKOFF"])
    fallbacks = running.product.logged("worker", "milvus.partition.fallback")
    assert first in [entry["tenant_id"] for entry in fallbacks]
    assert events[-1]["event"] == "milvus.partition.created"
