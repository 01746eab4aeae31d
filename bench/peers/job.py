"""The job of every peer: make the tenant's partition unless it is there, and note it in the row."""

import os
import threading
from functools import cache
from typing import Any

from pymilvus import MilvusClient

from bench.peers.rows import Rows

_mine = threading.local()


@cache
def milvus() -> Any:
    """The client of this process, which its threads share and its jobs keep."""
    return MilvusClient(os.environ["BENCH_MILVUS"])


def rows() -> Rows:
    """The rows over this thread's own connection, which its jobs keep."""
    if not hasattr(_mine, "rows"):
        _mine.rows = Rows(os.environ["BENCH_DATABASE"])
    found: Rows = _mine.rows
    return found


def provision(number: int) -> None:
    """One statement and one commit for a tenant; nothing proves what was acknowledged."""
    collection, partition = os.environ["BENCH_COLLECTION"], f"tenant_{number}"
    if not milvus().has_partition(collection, partition):
        milvus().create_partition(collection, partition)
    rows().mark_ready(number)
