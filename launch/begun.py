"""Whether worker and reconciler work, by their traces in Redis and the database."""

import socket
from collections.abc import Collection
from datetime import datetime

from redis import Redis, RedisError
from rq import Worker
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from webapp.db.deadline import answered_within
from webapp.db.engine import engine_options, prepare_engine
from webapp.db.session import Database
from webapp.settings import Settings
from webapp.statistics.heartbeats import DUE, last_beat

ANSWER_WITHIN_S = 1.0


class SignsOfWork:
    """Asks Redis and the database, each for at most about a second."""

    def __init__(self, settings: Settings, since: datetime) -> None:
        """Signs older than `since` are of an earlier run."""
        self._since = since
        address = settings.database_address
        self._engine = create_engine(address, **engine_options(address))
        prepare_engine(self._engine)
        self._redis: Redis = Redis.from_url(
            settings.redis_address,
            socket_timeout=ANSWER_WITHIN_S,
            socket_connect_timeout=ANSWER_WITHIN_S,
        )

    def missing(self, pids: Collection[int]) -> list[str]:
        """The parts without a sign of work; a worker must be one of `pids`."""
        signs = {"worker": self._is_registered(pids), "reconciler": self._has_beaten()}
        return [part for part, is_there in signs.items() if not is_there]

    def close(self) -> None:
        """Close both connections."""
        self._redis.close()
        self._engine.dispose()

    def _is_registered(self, pids: Collection[int]) -> bool:
        here = socket.gethostname()
        try:
            workers = Worker.all(connection=self._redis)
        except RedisError:
            return False
        return any(worker.pid in pids and worker.hostname == here for worker in workers)

    def _has_beaten(self) -> bool:
        try:
            with answered_within(ANSWER_WITHIN_S), Database(self._engine).reading() as session:
                beat = last_beat(session, DUE)
        except SQLAlchemyError:
            return False
        return beat is not None and beat >= self._since
