"""The life of partitions, lived in many orders: whatever happens, no tenant is lost."""

import logging
import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.engines.redis import RedisServer
from tests.factories import Product
from tests.model.orphans import Orphans
from tests.model.people import People
from tests.model.toil import Toil
from tests.model.watch import watching

# The suite lives the same few lives each time; `PARATIA_TEST_LIVES=500` as many others.
LIVES = int(os.environ.get("PARATIA_TEST_LIVES", "0"))
HOW_LONG = settings(
    max_examples=LIVES or 6,
    stateful_step_count=60 if LIVES else 40,
    derandomize=not LIVES,
    # A life that went wrong is told as it was; the long run looks for the shortest like it.
    phases=list(Phase) if LIVES else [Phase.generate],
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


class Life(People, Toil, Orphans):
    """Everything that can happen to partitions."""


@pytest.mark.timeout(0 if LIVES else 300)
def test_no_tenant_is_lost_when_anything_happens_in_any_order(
    product: Product,
    spare_redis: Callable[..., RedisServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A million lines that nobody reads; the laws read the timeline.
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
    redis = spare_redis()
    with watching(product.engine):
        run_state_machine_as_test(lambda: Life(product, redis), settings=HOW_LONG)
