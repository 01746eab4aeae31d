"""The deadline for a request's database calls."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

# For all database calls of a request together. Browsers, load balancers and gunicorn (10 s at its
# stop) still wait for the answer then.
REQUEST_S = 8.0

_ends_at: ContextVar[float | None] = ContextVar("paratia_answer_by", default=None)


@contextmanager
def answered_within(seconds: float) -> Iterator[None]:
    """Bound all database calls in this block, together, to these seconds."""
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def left_s(otherwise: float) -> float:
    """Seconds until the deadline, at most `otherwise`, the bound of a single call."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return otherwise
    return min(otherwise, max(ends_at - time.monotonic(), 0.0))


def init_app(app: "Flask") -> None:
    """Bound what each request waits for the database, from its first step to its last."""
    serve: Callable[..., Iterable[bytes]] = app.wsgi_app

    def serve_in_time(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with answered_within(REQUEST_S):
            return serve(environ, start_response)

    app.wsgi_app = serve_in_time  # type: ignore[method-assign]
