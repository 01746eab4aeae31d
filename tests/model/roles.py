"""What each of several processes does at once to the same tenants, again and again."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Barrier
from typing import Any

from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.store import PartitionStore, StoreError
from structlog.testing import capture_logs
from webapp.models.causes import Cause
from webapp.partitions.failures import FailedSelection

from tests.factories import ACTOR, FaultyStore, Product, no_script, open_engine
from webapp.errors import NotFailed, NotRemoving, SlugTaken, TenantDeleted
from webapp.settings import Settings

# What a use case refuses by its documentation, when another was faster.
REFUSALS = (NotFailed, NotRemoving, SlugTaken, TenantDeleted)
EXPECTED_LOGS = frozenset({"milvus.partition.create_failed"})

_gate: Barrier | None = None


@dataclass(frozen=True)
class Part:
    """Which role a process has, among which tenants, and for how long."""

    role: str
    settings: dict[str, Any]
    numbers: Sequence[int]
    lasts_s: float


def meet(gate: Barrier) -> None:
    """Once per process: where all of them wait for each other."""
    global _gate  # noqa: PLW0603 - a process of a pool has no other place for it
    _gate = gate


def play(part: Part) -> list[str]:
    """Do one thing again and again; returns what went wrong beyond documented refusals."""
    settings = Settings(**part.settings)
    engine = open_engine(settings.database_address)
    store = MilvusPartitionStore(settings.milvus_address, "", settings.milvus_timeout)
    act = ROLES[part.role](Product(settings, engine), part.numbers, store)
    store.list_partitions(settings.milvus_collection)
    assert _gate is not None
    _gate.wait(60)
    with capture_logs() as logs:
        wrong = _again_and_again(act, part)
    store.close()
    engine.dispose()
    return wrong + [
        str(line)
        for line in logs
        if line["log_level"] in {"error", "critical"} and line["event"] not in EXPECTED_LOGS
    ]


def _again_and_again(act: Callable[[random.Random], object], part: Part) -> list[str]:
    dice, wrong = random.Random(part.role), []
    ends_at = time.monotonic() + part.lasts_s
    while time.monotonic() < ends_at:
        try:
            act(dice)
        except REFUSALS:
            continue
        except Exception as error:  # noqa: BLE001 - the test looks at it
            wrong.append(f"{part.role}: {error!r}")
    return wrong


class MoodyStore(FaultyStore):
    """A real store whose creations are refused, or end in a time-out, every few times."""

    def __init__(self, real: PartitionStore) -> None:
        super().__init__(real)
        self._dice = random.Random(7)

    def create_partition(self, collection: str, partition: str) -> None:
        """As the real one, or an error after the effect, or instead of it."""
        mood = self._dice.random()
        if mood < 0.2:
            raise StoreError(Cause.AUTH, "refused")
        super().create_partition(collection, partition)
        if mood < 0.4:
            raise StoreError(Cause.TIMEOUT, "too late")


Role = Callable[[Product, Sequence[int], PartitionStore], Callable[[random.Random], object]]


def _work(product: Product, numbers: Sequence[int], store: PartitionStore) -> Any:
    moody = MoodyStore(store)
    return lambda dice: product.work(moody, no_script, jobs_at_most=10)


def _sweep(product: Product, numbers: Sequence[int], store: PartitionStore) -> Any:
    reconciler = product.reconciler(store)

    def sweep(dice: random.Random) -> None:
        reconciler.dispatch_due()
        reconciler.sweep()
        reconciler.remove_due(threading.Event())

    return sweep


def _backfill(product: Product, numbers: Sequence[int], store: PartitionStore) -> Any:
    backfill = product.services.backfill

    def fill(dice: random.Random) -> None:
        wanted = dice.choice([None, list(numbers)])
        backfill.dispatch(backfill.plan(wanted).tenant_ids, actor=ACTOR, progress=lambda _: None)

    return fill


def _retry(product: Product, numbers: Sequence[int], store: PartitionStore) -> Any:
    tenants = product.services.tenants

    def retry(dice: random.Random) -> None:
        tenants.retry_failed(FailedSelection(), actor=ACTOR)
        tenants.retry(dice.choice(numbers), actor=ACTOR)

    return retry


def _leave(product: Product, numbers: Sequence[int], store: PartitionStore) -> Any:
    tenants = product.services.tenants

    def delete_tenant(dice: random.Random) -> None:
        # A few of them for good; most come back at once.
        number = dice.choice(numbers)
        tenants.delete(number, actor=ACTOR)
        if number % 3:
            tenants.restore(number, actor=ACTOR)

    return delete_tenant


def _rename(product: Product, numbers: Sequence[int], store: PartitionStore) -> Any:
    rename = partial(product.services.tenants.rename, actor=ACTOR)
    return lambda dice: rename(
        dice.choice(numbers), name=f"New {dice.random()}", slug=f"new-{dice.randrange(30)}"
    )


ROLES: dict[str, Role] = {
    "first worker": _work,
    "second worker": _work,
    "first sweeper": _sweep,
    "second sweeper": _sweep,
    "backfill": _backfill,
    "retry": _retry,
    "delete_tenant": _leave,
    "rename": _rename,
}
