"""One connection shared by the threads of a process, opened when needed and replaced when bad."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from create_milvus_partition import Deadline, OverrunError

CLOSE_WITHIN_S = 2.0


class Connection:
    """A client and the number of calls in it.

    A retired one closes after its last call, so that a failure in one thread does not end the
    calls of the others.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self._users = 0
        self._retired = False
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Count a call in; False for a retired connection, which must not be used."""
        with self._lock:
            self._users += not self._retired
            return not self._retired

    def leave(self) -> None:
        """Count a call out."""
        with self._lock:
            self._users -= 1
            last = self._retired and self._users == 0
        if last:
            self.close()

    def retire(self) -> None:
        """Let no further call in, and close after the last one."""
        with self._lock:
            self._retired = True
            empty = self._users == 0
        if empty:
            self.close()

    def close(self, wait_s: float = 0.0) -> None:
        """Close, which cancels the calls inside; wait at most `wait_s` for the end of it.

        pymilvus closes under a lock that it also holds while any client connects.
        """
        with self._lock:
            self._retired = True
        closing = threading.Thread(target=self._close_quietly, daemon=True)
        closing.start()
        closing.join(wait_s)

    def _close_quietly(self) -> None:
        with suppress(Exception):
            self.client.close()


class Session:
    """Holds the connection in use."""

    def __init__(self, connect: Callable[[float], Any]) -> None:
        self._connect = connect
        self._opening = threading.Lock()
        self._connection: Connection | None = None

    def enter(self, deadline: Deadline) -> Connection:
        """The connection, with this call counted in; one thread opens it for all.

        Raises:
            Exception: of `connect`; OverrunError when another thread takes too long to open it.
        """
        if not self._opening.acquire(timeout=deadline.left_s()):
            raise OverrunError
        try:
            connection = self._connection
            if connection is None or not connection.enter():
                connection = Connection(self._connect(deadline.left_s()))
                connection.enter()
                self._connection = connection
            return connection
        finally:
            self._opening.release()

    def close(self) -> None:
        """Give up the connection, if there is one; the next call opens another.

        It is closed on return, unless pymilvus is stuck.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(CLOSE_WITHIN_S)
