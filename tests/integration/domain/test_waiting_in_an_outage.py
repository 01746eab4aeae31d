"""The figures at each point of an outage: a frozen Milvus, failures, a retry, and its return."""

from contextlib import closing

from jobs.milvus.client import MilvusPartitionStore
from tests.engines.lite import LiteServer
from tests.factories import Product, no_script
from tests.integration.domain.activity_log import totals
from webapp.db.types import utc_now
from webapp.models.operation import Operation
from webapp.models.states import PartitionState
from webapp.operations.progress import find, present
from webapp.partitions.summary import Summary, summary

READY, FAILED, PENDING = PartitionState.READY, PartitionState.FAILED, PartitionState.PENDING


def figures(product: Product) -> Summary:
    return product.read(summary, product.settings)


def outcome(product: Product, operation: Operation) -> tuple[int, int, int]:
    """How many tenants of the operation are ready, failed and waiting, as its page says."""
    view = product.read(find, operation.id)
    assert view
    return (product.read(present, view) or view.progress).outcome


def test_nothing_is_told_as_over_until_the_tenants_are_ready(
    placed: Product, milvus_lite: LiteServer
) -> None:
    product = placed.configured(partition_attempts=1)
    product.milvus = placed.milvus
    for name in ("A", "B"):
        product.create(name)
    product.work()
    began = utc_now()
    with closing(MilvusPartitionStore(milvus_lite.uri, "", 1)) as frozen:
        milvus_lite.freeze()
        try:
            late = [product.create(f"Late {n}") for n in range(3)]
            product.work(frozen, no_script)
            told = figures(product)
            assert (told.states[READY], told.states[FAILED], told.trying_again) == (2, 3, 0)
            since = product.row(late[0]).requested_at
            assert told.waiting_since == told.longest[FAILED] == since > began

            retry = product.retry_failed()
            told = figures(product)
            assert (told.states[READY], told.states[FAILED], told.trying_again) == (2, 0, 3)
            assert told.waiting_since == told.longest[PENDING] == since
            assert outcome(product, retry) == (0, 0, 3)

            product.work(frozen, no_script)
            assert outcome(product, retry) == (0, 3, 0)
            assert figures(product).waiting_since == since
            assert product.services.operations.settle() == 1
        finally:
            milvus_lite.thaw()
    product.sweep()
    told = figures(product)
    assert (told.states[FAILED], told.trying_again, told.waiting_since) == (0, 3, since)
    product.work()
    told = figures(product)
    assert (told.states[READY], told.trying_again, told.waiting_since) == (5, 0, None)
    assert outcome(product, retry) == (3, 0, 0)
    row = product.row(late[0])
    assert row.ready_at
    assert row.requested_at == since < row.last_requested_at < row.ready_at
    product.rollup.roll_up()
    assert totals(product) == (5, 5, 3)
