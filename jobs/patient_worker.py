"""RQ's worker, which waits while Redis refuses writes, where RQ's own would end."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from redis import ResponseError
from rq import SimpleWorker
from rq.exceptions import StopRequested

from jobs import context
from webapp.queue.redis_writes import Refusal, refusal_in

T = TypeVar("T")

# They pass while the worker lives. Others, such as a key of another type, concern one write alone.
WAITED_FOR = frozenset({Refusal.MEMORY, Refusal.DISK, Refusal.READ_ONLY})


class PatientWorker(SimpleWorker):
    """Repeats each refused write once Redis takes it; a job that it took meanwhile waits too.

    A worker that ended would only be started again, and could not be told from a lost one.
    """

    def insist(self, write: Callable[..., T], *args: Any, **options: Any) -> T:
        """The result of the write; raises StopRequested when the process is to stop before."""
        while True:
            try:
                return write(*args, **options)
            except ResponseError as refused:
                if refusal_in([refused]) not in WAITED_FOR:
                    raise
            known = context.worker()
            if known.stop.wait(context.POLL_S) or not context.await_redis(known):
                raise StopRequested
            # After a failover the address leads to another server.
            self.connection.connection_pool.disconnect(inuse_connections=False)

    def check_for_suspension(self, *args: Any, **options: Any) -> None:
        self.insist(super().check_for_suspension, *args, **options)

    def heartbeat(self, *args: Any, **options: Any) -> None:
        self.insist(super().heartbeat, *args, **options)

    def set_state(self, *args: Any, **options: Any) -> None:
        self.insist(super().set_state, *args, **options)

    def prepare_execution(self, *args: Any, **options: Any) -> Any:
        return self.insist(super().prepare_execution, *args, **options)

    def prepare_job_execution(self, *args: Any, **options: Any) -> None:
        self.insist(super().prepare_job_execution, *args, **options)

    def handle_job_success(self, *args: Any, **options: Any) -> None:
        self.insist(super().handle_job_success, *args, **options)

    def set_shutdown_requested_date(self) -> None:
        """Note when; it is for RQ's own pages alone."""
        with suppress(ResponseError):
            super().set_shutdown_requested_date()  # type: ignore[no-untyped-call]

    def register_death(self) -> None:
        """Sign off; where that is refused, the sign expires by itself."""
        with suppress(ResponseError):
            super().register_death()  # type: ignore[no-untyped-call]
