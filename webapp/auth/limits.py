"""A limit on guessing passwords, counted over all processes by Redis."""

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from redis.backoff import NoBackoff
from redis.retry import Retry

from webapp.settings import Settings

GUESSES = "10 per minute"
REDIS_TIMEOUT_S = 1.0


def init_app(app: Flask, settings: Settings) -> None:
    """Limit failed logins per address and per e-mail; each process counts while Redis is down."""
    limiter = Limiter(
        get_remote_address,
        app=app,
        storage_uri=_storage_address(settings.redis_address),
        storage_options=_storage_options(),
        strategy="fixed-window",
        in_memory_fallback_enabled=True,
        key_prefix="paratia:login",
    )
    view: Callable[..., Any] = app.view_functions["security.login"]
    for key in (get_remote_address, _email_asked_for):
        view = limiter.limit(GUESSES, key_func=key, methods=["POST"], deduct_when=_was_refused)(
            view
        )
    app.view_functions["security.login"] = view


def _storage_address(redis_address: str) -> str:
    if urlsplit(redis_address).scheme == "unix":
        return f"redis+{redis_address}"
    return redis_address


def _storage_options() -> dict[str, Any]:
    return {
        "socket_timeout": REDIS_TIMEOUT_S,
        "socket_connect_timeout": REDIS_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }


def _email_asked_for() -> str:
    # Hashed, so that neither odd characters nor addresses get into Redis.
    email = request.form.get("email", "").strip().lower()
    return "email:" + hashlib.sha256(email.encode("utf-8", "surrogateescape")).hexdigest()


def _was_refused(response: Response) -> bool:
    return response.status_code != 302
