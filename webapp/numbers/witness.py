"""What is known outside of the database about its past: how far it had come.

A copy of the database's files has the identity of the first. So each process stores the highest
number and the clock that it knows in VAR_DIR and in Redis: where one of these is above the
database's, the database went back in time. A witness may be missing; it is never waited for.
"""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from redis import Redis, RedisError

from webapp.var_dir import private_folder, remember, remembered

# A set of all installations that use this Redis, each with its highest number and its clock.
KEY = "paratia:highest-numbers"
WRITE_EVERY_S = 1.0
REDIS_ANSWERS_WITHIN_S = 0.5


class Reached(NamedTuple):
    """How far a database has come: the highest number that it drew, and its clock."""

    number: int = 0
    clock: int = 0


def furthest(*known: Reached) -> Reached:
    """The highest of each."""
    return Reached(*map(max, zip(*known, strict=True)))


class Witness:
    """How far this process knows the database to have come, and its copies in file and Redis."""

    def __init__(self, var_dir: Path, redis: Redis) -> None:
        self._folder = var_dir / "witness"
        self._redis = redis
        self._known: dict[str, Reached] = {}
        self._lock = threading.Lock()
        self._is_due = False
        self._wrote_at = -WRITE_EVERY_S

    def load(self, nonce: str) -> None:
        """Ask file and Redis; call it before a transaction begins, since Redis may be slow."""
        self._learn(nonce, furthest(self._in_file(nonce), self._in_redis(nonce)))

    def reached(self, nonce: str) -> Reached:
        """How far this process and the file know the database to have come."""
        return furthest(self._known.get(nonce, Reached()), self._in_file(nonce))

    def knows_another(self, nonce: str) -> bool:
        """Whether VAR_DIR knows numbers of another database, and none of this one."""
        names = databases_known_in(self._folder.parent)
        return bool(names) and nonce not in names

    def note(self, nonce: str, reached: Reached) -> None:
        """Take note; it is written in the background, at most once a second."""
        before = self._known.get(nonce, Reached())
        if furthest(before, reached) == before:
            return
        self._learn(nonce, reached)
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
        reached = self.reached(nonce)
        with suppress(OSError):
            private_folder(self._folder.parent)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            remember(self._folder / nonce, f"{reached.number} {reached.clock}")
        with suppress(RedisError):
            in_redis = dict(zip(_members(nonce), reached, strict=True))
            self._redis.zadd(KEY, in_redis, gt=True)

    def _learn(self, nonce: str, reached: Reached) -> None:
        with self._lock:
            self._known[nonce] = furthest(self._known.get(nonce, Reached()), reached)

    def _in_file(self, nonce: str) -> Reached:
        noted = (remembered(self._folder / nonce) or "").split()
        if len(noted) > len(Reached._fields) or not all(map(_is_number, noted)):
            return Reached()
        # The version before noted the number alone.
        return Reached(*map(int, noted))

    def _in_redis(self, nonce: str) -> Reached:
        """What Redis answers soon; nothing without an answer."""
        found: list[float | None] = []

        def ask() -> None:
            with suppress(RedisError):
                found.extend(self._redis.zmscore(KEY, _members(nonce)))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(REDIS_ANSWERS_WITHIN_S)
        return Reached(*(int(each or 0) for each in found))


def databases_known_in(var_dir: Path) -> set[str]:
    """The nonces of the databases that were used with this folder."""
    try:
        return {each.name for each in (var_dir / "witness").iterdir() if not each.suffix}
    except OSError:
        return set()


def _members(nonce: str) -> list[str]:
    return [nonce, f"{nonce}:clock"]


def _is_number(noted: str) -> bool:
    return noted.isascii() and noted.isdigit()
