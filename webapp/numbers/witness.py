"""What is known outside of the database about the numbers that it has drawn.

A copy of the database's files has the identity of the first. So each process stores the highest
number that it knows in VAR_DIR and in Redis: where one of these is above the database's counter,
the database went back in time. A witness may be missing; it is never waited for.
"""

import threading
import time
from contextlib import suppress
from pathlib import Path

from redis import Redis, RedisError

from webapp.var_dir import private_folder, remember, remembered

# A set of all installations that use this Redis, each with its highest number.
KEY = "paratia:highest-numbers"
WRITE_EVERY_S = 1.0
REDIS_ANSWERS_WITHIN_S = 0.5


class Witness:
    """The highest number that this process knows of, and its copies in a file and in Redis."""

    def __init__(self, var_dir: Path, redis: Redis) -> None:
        self._folder = var_dir / "witness"
        self._redis = redis
        self._highest: dict[str, int] = {}
        self._lock = threading.Lock()
        self._is_due = False
        self._wrote_at = -WRITE_EVERY_S

    def load(self, nonce: str) -> None:
        """Ask file and Redis; call it before a transaction begins, since Redis may be slow."""
        self._learn(nonce, max(self._in_file(nonce), self._in_redis(nonce)))

    def highest(self, nonce: str) -> int:
        """The highest number that this process and the file know."""
        return max(self._highest.get(nonce, 0), self._in_file(nonce))

    def knows_another(self, nonce: str) -> bool:
        """Whether VAR_DIR knows numbers of another database, and none of this one."""
        try:
            names = {each.name for each in self._folder.iterdir() if not each.suffix}
        except OSError:
            return False
        return bool(names) and nonce not in names

    def note(self, nonce: str, number: int) -> None:
        """Take note of a number; it is written in the background, at most once a second."""
        if number <= self._highest.get(nonce, 0):
            return
        self._learn(nonce, number)
        with self._lock:
            if self._is_due:
                return
            self._is_due = True
            wait_s = max(WRITE_EVERY_S - (time.monotonic() - self._wrote_at), 0)
        timer = threading.Timer(wait_s, self.write, (nonce,))
        timer.daemon = True
        timer.start()

    def write(self, nonce: str) -> None:
        """Write file and Redis now, as far as they take it, and learn what others wrote."""
        with self._lock:
            self._is_due, self._wrote_at = False, time.monotonic()
        self._learn(nonce, self._in_file(nonce))
        highest = self.highest(nonce)
        with suppress(OSError):
            private_folder(self._folder.parent)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            remember(self._folder / nonce, str(highest))
        with suppress(RedisError):
            self._redis.zadd(KEY, {nonce: highest}, gt=True)

    def _learn(self, nonce: str, number: int) -> None:
        with self._lock:
            self._highest[nonce] = max(self._highest.get(nonce, 0), number)

    def _in_file(self, nonce: str) -> int:
        noted = remembered(self._folder / nonce) or ""
        return int(noted) if noted.isascii() and noted.isdigit() else 0

    def _in_redis(self, nonce: str) -> int:
        """What Redis answers soon; 0 without an answer, which says nothing."""
        found: list[float | None] = []

        def ask() -> None:
            with suppress(RedisError):
                found.append(self._redis.zscore(KEY, nonce))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(REDIS_ANSWERS_WITHIN_S)
        return int(found[0] or 0) if found else 0
