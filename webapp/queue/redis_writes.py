"""Whether Redis accepts writes: one that answers may still refuse them."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from redis import Redis, RedisError, ResponseError
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError
from redis.retry import Retry
from rq.suspension import WORKERS_SUSPENDED

from webapp.texts import N_

# Below RQ's prefix, which the Redis user must be allowed to write.
KEY = "rq:paratia:write"
# The commands that a dispatch begins with. The key has no meaning, and expires.
WRITE = (("HSET", KEY, "asked", "1"), ("EXPIRE", KEY, 60))


class Refusal(StrEnum):
    MEMORY = "memory"
    READ_ONLY = "read_only"
    DISK = "disk"
    PERMISSION = "permission"
    OTHER = "other"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def remedy(self) -> str:
        """What is wrong and what to do, for logs and commands."""
        return _REMEDIES[self]


_LABELS = {
    Refusal.MEMORY: N_("memory full"),
    Refusal.READ_ONLY: N_("read-only replica"),
    Refusal.DISK: N_("cannot save to disk"),
    Refusal.PERMISSION: N_("no permission"),
    Refusal.OTHER: N_("see its log"),
}
_REMEDIES = {
    Refusal.MEMORY: "its memory is full: raise maxmemory, or take out what fills it",
    Refusal.READ_ONLY: "it is a read-only replica: let REDIS_URL lead to the primary",
    Refusal.DISK: "it cannot save to its disk: free some space, and see its log",
    Refusal.PERMISSION: "its user has no permission: allow it to read and write all keys",
    Refusal.OTHER: "its log says why",
}
_BY_ERROR = {
    OutOfMemoryError: Refusal.MEMORY,
    ReadOnlyError: Refusal.READ_ONLY,
    NoPermissionError: Refusal.PERMISSION,
}


def refusal_in(answers: Sequence[Any]) -> Refusal | None:
    """The refusal in the answers to `WRITE`; None where the writes were accepted."""
    error = next((each for each in answers if isinstance(each, ResponseError)), None)
    if error is None:
        return None
    if "MISCONF" in str(error):
        return Refusal.DISK
    return _BY_ERROR.get(type(error), Refusal.OTHER)


def ask(address: str, answer_within_s: float) -> Sequence[Any] | None:
    """The answers to `WRITE`, and whether workers are suspended; None without an answer in time."""
    try:
        return _answers(address, answer_within_s)
    except (RedisError, OSError):
        return None


def require_writes(address: str, answer_within_s: float) -> None:
    """Raises what Redis answers to a write where it takes none, or RedisError without an answer."""
    for answer in _answers(address, answer_within_s):
        if isinstance(answer, RedisError):
            raise answer


def _answers(address: str, answer_within_s: float) -> Sequence[Any]:
    """On a new connection: after a failover the address leads to another server."""
    client = Redis.from_url(
        address,
        socket_timeout=answer_within_s,
        socket_connect_timeout=answer_within_s,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        pipeline = client.pipeline(transaction=False)
        for command in (*WRITE, ("EXISTS", WORKERS_SUSPENDED)):
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        answers: list[Any] = pipeline.execute(raise_on_error=False)
    finally:
        client.close()
    return answers
