"""huey on Redis, without results, which are not read."""

import os

from huey import RedisHuey

from bench.peers import job

huey = RedisHuey(os.environ["BENCH_QUEUE"], url=os.environ["BENCH_REDIS"], results=False)
provision = huey.task()(job.provision)
# Of each thread of the consumer; they share the one client.
huey.on_startup()(job.milvus)


def enqueue(number: int) -> None:
    provision(number)
