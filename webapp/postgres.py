"""Connections to PostgreSQL whose every wait ends by the client's own clock.

A server that is frozen, or a network that swallows packets, keeps neither its own
`statement_timeout` nor, while its kernel still acknowledges, the socket's. psycopg waits in
Python, so here is where the wait can end.
"""

import math
import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from webapp.patience import left_s

CONNECT_S = 5
STATEMENT_S = 30
# A statement that the server itself gives up comes back as an error within this.
ANSWER_S = STATEMENT_S + 5

T = TypeVar("T")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes instead of waiting on.

    After that nobody knows what became of the statement or the commit; whoever asked gets an
    OperationalError, and the pool sees a closed connection and drops it.
    """

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg's own, for as long as the caller has, and never longer than ANSWER_S."""
        within_s = left_s(ANSWER_S) if timeout is None else timeout
        ends_at = time.monotonic() + within_s
        try:
            return super().wait(gen, interval, within_s)
        except psycopg.OperationalError as error:
            if time.monotonic() < ends_at:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {within_s:.1f} s") from error


def connect(*arguments: Any, **options: Any) -> BoundedConnection:
    """A new connection, in the time that is left (libpq takes 2 s at the least).

    Raises:
        psycopg.OperationalError: there is none, or no time to ask for one.
    """
    within_s = left_s(CONNECT_S)
    if not within_s:
        raise psycopg.OperationalError("no time is left to connect")
    options["connect_timeout"] = math.ceil(within_s)
    return BoundedConnection.connect(*arguments, **options)
