"""Waits until the panel answers, and worker and reconciler do their work.

Run as `python -m launch.readiness SINCE SESSION`. It exits when all three do; while some do not
for long, it prints which.
"""

import http.client
import socket
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from redis import Redis, RedisError
from rq import Worker
from sqlalchemy.exc import SQLAlchemyError

from launch import sessions
from launch.terminal import say
from webapp.db.deadline import answered_within
from webapp.db.session import Database, open_database
from webapp.db.types import utc_now
from webapp.processes.beats import DUE, last_beat
from webapp.settings import load_settings

POLL_S = 0.2
ANSWER_WITHIN_S = 1.0
# Enough for a slow machine; after it, the missing parts are printed.
PATIENCE = timedelta(seconds=30)


def main() -> None:
    """Return when each part has given a sign of work: a heartbeat after SINCE, a worker of SESSION.

    Each sign is looked for within about a second.
    """
    settings = load_settings()
    since, session = datetime.fromisoformat(sys.argv[1]), int(sys.argv[2])
    database = open_database(settings.database_address)
    redis: Redis = Redis.from_url(
        settings.redis_address,
        socket_timeout=ANSWER_WITHIN_S,
        socket_connect_timeout=ANSWER_WITHIN_S,
    )
    signs: dict[str, Callable[[], bool]] = {
        "web": lambda: _serves(settings.panel_address),
        "worker": lambda: _is_registered(redis, session),
        "reconciler": lambda: _has_beaten(database, since),
    }
    is_late = False
    while missing := [part for part, is_there in signs.items() if not is_there()]:
        if not is_late and utc_now() - since > PATIENCE:
            logs = settings.var_dir / "log"
            say(f"\nNot ready yet: no sign of life from {', '.join(missing)}; see {logs}.\n\n")
            is_late = True
        time.sleep(POLL_S)


def _serves(address: str) -> bool:
    place = urlsplit(address).netloc
    connection = http.client.HTTPConnection(place, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _is_registered(redis: Redis, session: int) -> bool:
    pids, here = sessions.members(session), socket.gethostname()
    try:
        workers = Worker.all(connection=redis)
    except RedisError:
        return False
    return any(worker.pid in pids and worker.hostname == here for worker in workers)


def _has_beaten(database: Database, since: datetime) -> bool:
    try:
        with answered_within(ANSWER_WITHIN_S), database.reading() as session:
            beat = last_beat(session, DUE)
    except SQLAlchemyError:
        return False
    return beat is not None and beat >= since


if __name__ == "__main__":
    main()
