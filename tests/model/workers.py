"""Processes of the product as threads that stand still at every call to Milvus until let go on.

One that is not let go on is a frozen process: it keeps its claim, and acts on it later.
"""

import queue
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import pytest
from redis import Redis
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.job_lifecycle import record_job_failure
from rq.serializers import JSONSerializer

from jobs.context import Worker
from jobs.milvus.script import ScriptAnswer
from jobs.milvus.store import Place, Request, StoreError
from tests.factories import Product
from tests.model.milvus import Answer, InMemoryMilvus, Killed
from webapp.models.causes import Cause

T = TypeVar("T")

ANSWER_WITHIN_S = 30
_own = threading.local()


class HeldProcess:
    """A thread with a Milvus of its own hold: `at` is the call it stands at, None at its end."""

    def __init__(self, milvus: InMemoryMilvus, later: list[Callable[[], object]]) -> None:
        self.milvus = milvus
        self.later = later
        self.stop = threading.Event()
        self.at: tuple[str, str, str] | None = None
        self.error: BaseException | None = None
        self._dead = False
        # The partitions that this process has seen with its own eyes, as (collection, name).
        self.saw: set[tuple[str, str]] = set()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._stands: queue.SimpleQueue[tuple[str, str, str] | None] = queue.SimpleQueue()

    def start(self, work: Callable[[], object]) -> None:
        threading.Thread(target=self._run, args=(work,), daemon=True).start()
        self.at = self._stands.get(timeout=ANSWER_WITHIN_S)

    def go_on(self, answer: Answer) -> None:
        """Answer the call at which it stands; it runs up to the next, or to the end."""
        self._answers.put(answer)
        self.at = self._stands.get(timeout=ANSWER_WITHIN_S)

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            self._stands.put(None)

    def _call(self, kind: str, collection: str, partition: str, call: Callable[[], T]) -> T:
        if self._dead:
            raise Killed
        self._stands.put((kind, collection, partition))
        answer = self._answers.get()
        self._dead = answer.kills
        return answer.to(kind).give(call, self.later)

    # What the process calls.

    def locate(self, collection: str) -> Place:
        """As the protocol has it; a listing follows, which may fail."""
        return self.milvus.locate(collection)

    def list_partitions(self, collection: str) -> frozenset[str]:
        ask = self.milvus.list_partitions
        names = self._call("list", collection, "", lambda: ask(collection))
        self.saw |= {(collection, name) for name in names}
        return names

    def create_partition(self, collection: str, partition: str) -> None:
        make = self.milvus.create_partition
        self._call("create", collection, partition, lambda: make(collection, partition))

    def count_rows(self, collection: str, partition: str) -> int | None:
        count = self.milvus.count_rows
        return self._call("count", collection, partition, lambda: count(collection, partition))

    def count_each(self, collection: str, partitions: Sequence[str]) -> Mapping[str, int | None]:
        count = self.milvus.count_each
        return self._call("count", collection, "", lambda: count(collection, partitions))

    def drop_partition(self, collection: str, partition: str) -> None:
        drop = self.milvus.drop_partition
        self._call("drop", collection, partition, lambda: drop(collection, partition))

    def call(self, request: Request[Any]) -> Any:
        """The model has no client; what needs one goes without."""
        raise StoreError(Cause.UNEXPECTED, "the model has no client")

    def close(self) -> None:
        """Nothing of its own to close."""

    def script(self, collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        """The script as far as a worker sees it: it asks, makes, and asks again by itself."""
        kind, work = ("check", self._look) if check else ("script", self._look_and_make)
        answer = self._call(kind, collection, partition, lambda: work(collection, partition))
        if answer.result != "absent":
            self.saw.add((collection, partition))
        return answer

    def _look(self, collection: str, partition: str) -> ScriptAnswer:
        if partition not in self.milvus.list_partitions(collection):
            return ScriptAnswer("absent")
        return ScriptAnswer("exists", self.milvus.count_rows(collection, partition))

    def _look_and_make(self, collection: str, partition: str) -> ScriptAnswer:
        there = self._look(collection, partition)
        if there.result == "exists":
            return ScriptAnswer("already_exists", there.rows)
        self.milvus.create_partition(collection, partition)
        return ScriptAnswer("created")


class HeldWorker(HeldProcess):
    def __init__(
        self, product: Product, milvus: InMemoryMilvus, later: list[Callable[[], object]]
    ) -> None:
        super().__init__(milvus, later)
        settings = product.settings
        self._queues = (settings.partition_queue, settings.backfill_queue)
        self._worker = Worker(settings, product.services)
        self._worker.__dict__ |= {"store": self, "script": self.script, "stop": self.stop}

    def take(self, job_id: str, redis_url: str, began: str) -> None:
        connection = Redis.from_url(redis_url)
        self.start(lambda: self._perform(job_id, connection, began))

    def _perform(self, job_id: str, connection: Redis, began: str) -> None:
        _own.worker = self._worker
        try:
            job = Job.fetch(job_id, connection, JSONSerializer)
        except NoSuchJobError:
            # A restored database gave the id again: one of two jobs is done. RQ passes over it too.
            for name in self._queues:
                connection.lrem(f"rq:queue:{name}", 0, job_id)
        else:
            connection.lrem(f"rq:queue:{job.origin}", 1, job_id)
            connection.hset(job.key, mapping={"started_at": began, "status": "started"})
            self._perform_as_rq_does(job, connection)
        finally:
            connection.close()

    def _perform_as_rq_does(self, job: Job, connection: Redis) -> None:
        """Without RQ's signals, which a thread has no part in."""
        try:
            job.perform()
        except Exception:  # noqa: BLE001 - as RQ's own worker catches it
            with connection.pipeline() as pipeline:
                record_job_failure(job, traceback.format_exc(), pipeline)
                pipeline.execute()
        else:
            connection.delete(job.key)


@contextmanager
def held_jobs() -> Iterator[None]:
    """Let each job of this process work for the worker that runs it, one creation at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.context.worker", lambda: _own.worker)
        patch.setattr("jobs.milvus.at_once.CALLERS", 1)
        patch.setattr("jobs.reconciler.loop.Reconciler._keep_lease", lambda _: nullcontext())
        yield
