"""Whether worker and reconciler do their work, by what they leave in Redis and the database.

`python -m launch.begun SINCE` answers each line of pids on stdin with a line: the parts that have
not begun, and a full stop.
"""

import socket
import sys
from collections.abc import Collection
from datetime import datetime

from redis import Redis, RedisError
from rq import Worker
from sqlalchemy.exc import SQLAlchemyError

from webapp.db.deadline import answered_within
from webapp.db.session import open_database
from webapp.settings import Settings, load_settings
from webapp.statistics.heartbeats import DUE, last_beat

ANSWER_WITHIN_S = 1.0


class SignsOfWork:
    """Asks Redis and the database, each for at most about a second."""

    def __init__(self, settings: Settings, since: datetime) -> None:
        """Signs older than `since` are of an earlier run."""
        self._since = since
        self._database = open_database(settings.database_address)
        self._redis: Redis = Redis.from_url(
            settings.redis_address,
            socket_timeout=ANSWER_WITHIN_S,
            socket_connect_timeout=ANSWER_WITHIN_S,
        )

    def missing(self, pids: Collection[int]) -> list[str]:
        """The parts without a sign of work; a worker must be one of `pids`."""
        signs = {"worker": self._is_registered(pids), "reconciler": self._has_beaten()}
        return [part for part, is_there in signs.items() if not is_there]

    def _is_registered(self, pids: Collection[int]) -> bool:
        here = socket.gethostname()
        try:
            workers = Worker.all(connection=self._redis)
        except RedisError:
            return False
        return any(worker.pid in pids and worker.hostname == here for worker in workers)

    def _has_beaten(self) -> bool:
        try:
            with answered_within(ANSWER_WITHIN_S), self._database.reading() as session:
                beat = last_beat(session, DUE)
        except SQLAlchemyError:
            return False
        return beat is not None and beat >= self._since


def main() -> None:
    """Answer until stdin is closed."""
    signs = SignsOfWork(load_settings(), datetime.fromisoformat(sys.argv[1]))
    for line in sys.stdin:
        print(*signs.missing([int(pid) for pid in line.split()]), ".", flush=True)


if __name__ == "__main__":
    main()
