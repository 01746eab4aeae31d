"""RQ: the function's path is enqueued; `rq worker` imports it."""

import os

from redis import Redis
from rq import Queue

queue = Queue(os.environ["BENCH_QUEUE"], connection=Redis.from_url(os.environ["BENCH_REDIS"]))


def enqueue(number: int) -> None:
    # A job of RQ begins with the import of its function: nothing of Milvus is imported here.
    queue.enqueue("bench.peers.job.provision", number)
