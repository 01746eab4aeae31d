"""Requests with a safe method change nothing, whatever their view does.

Any other site can make a browser send GET, HEAD and OPTIONS, with the visitor's cookies and without
a CSRF token. So the database and Redis refuse writes in such a request. A refused write is a bug:
it is logged, and answered with 500.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.client import Pipeline
from redis.commands import READ_COMMANDS

if TYPE_CHECKING:
    from flask import Flask

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HARMLESS_COMMANDS = READ_COMMANDS | {"PING", "INFO", "TIME"}

_refused: ContextVar[bool] = ContextVar("paratia_changes_are_refused", default=False)


class Note(StrEnum):
    """The only writes that a safe request may make: records of its reading."""

    TOKEN_USED = "the last use of an API token"
    EXPORTED = "the audit entry of an export"
    REDIS_ASKED = "the key by which Redis is asked whether it takes writes"


class ChangeRefused(RuntimeError):
    """A view tried to write in a request whose method is safe."""


@contextmanager
def changes_refused(refused: bool = True) -> Iterator[None]:
    """Refuse writes in this block, or allow them again."""
    token = _refused.set(refused)
    try:
        yield
    finally:
        _refused.reset(token)


def noting(_what: Note) -> Any:
    """A block in which a safe request may make the named write."""
    return changes_refused(False)


def are_changes_refused() -> bool:
    """Whether the current request may only read."""
    return _refused.get()


def require_change(what: str) -> None:
    """Raises ChangeRefused where the current request may only read."""
    if are_changes_refused():
        raise ChangeRefused(f"{what} in a request whose method is safe")


class Guarded:
    """A client of Redis that refuses writes while changes are refused."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """As redis-py's own; raises ChangeRefused for a write where only reading is allowed."""
        if args[0].upper() not in HARMLESS_COMMANDS:
            require_change(f"Redis was told to {args[0]}")
        return super().execute_command(*args, **options)  # type: ignore[misc]


class GuardedPipeline(Guarded, Pipeline):
    pass


class GuardedRedis(Guarded, Redis):
    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> GuardedPipeline:
        """A pipeline that refuses them as well."""
        return GuardedPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )


def init_app(app: "Flask") -> None:
    """Refuse changes in each safe request, until the last byte of its answer was made."""
    # Imported here: each transaction of a job looks at this module, too, and serves nothing.
    from werkzeug.wsgi import ClosingIterator, FileWrapper

    serve: Callable[..., Iterable[bytes]] = app.wsgi_app

    def serve_safely(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_safe = environ["REQUEST_METHOD"] in SAFE_METHODS
        with changes_refused(is_safe):
            answer = serve(environ, start_response)
        # A streamed answer is read after the view has returned. Files read no database.
        if not is_safe or isinstance(answer, environ.get("wsgi.file_wrapper", FileWrapper)):
            return answer
        close: Callable[[], None] = getattr(answer, "close", lambda: None)
        return ClosingIterator(_refuse_while_streaming(iter(answer)), close)

    app.wsgi_app = serve_safely  # type: ignore[method-assign]


def _refuse_while_streaming(chunks: Iterator[bytes]) -> Iterator[bytes]:
    while True:
        with changes_refused():
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk
