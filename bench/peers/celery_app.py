"""Celery on Redis, without results, which its documentation advises where none is read."""

import os

from celery import Celery
from celery.signals import worker_init

from bench.peers import job

app = Celery("peer", broker=os.environ["BENCH_REDIS"].replace("unix://", "redis+socket://"))
app.conf.update(
    task_default_queue=os.environ["BENCH_QUEUE"],
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
)
provision = app.task(name="provision")(job.provision)


def open_client(**_: object) -> None:
    """Once, for all threads of the worker."""
    job.milvus()


worker_init.connect(open_client)


def enqueue(number: int) -> None:
    provision.delay(number)
