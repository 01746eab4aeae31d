"""Cookies of this installation: others on the same host, at another port, have other names.

A browser sends a cookie to every port of its host. The name contains a digest of the signing key,
which all processes share.
"""

import hashlib
import hmac

from flask import current_app, request
from werkzeug.wrappers import Response as BaseResponse

from webapp.http.paths import cookie_path

# Browsers accept these names only over TLS; the first also only for the very host.
HOST_ONLY, SECURE_ONLY = "__Host-", "__Secure-"


def cookie_names(what: str) -> list[str]:
    """The name of a cookie, then its names under older keys.

    Over TLS it begins with `__Host-`, which requires the path `/`; below another path with
    `__Secure-`, since other applications of the host must not get it.
    """
    config = current_app.config
    keys = [config["SECRET_KEY"], *(config.get("SECRET_KEY_FALLBACKS") or ())]
    prefix = SECURE_ONLY if request.script_root else HOST_ONLY
    prefix = prefix if request.is_secure else ""
    return [f"{prefix}paratia_{what}_{_mark(key)}" for key in keys]


def read_cookies(what: str) -> list[str]:
    """The values of the cookie under each of its names; "" where there is none."""
    return [request.cookies.get(name, "") for name in cookie_names(what)]


def read_cookie(what: str) -> str | None:
    """The value of the cookie, also under an older name."""
    return next(filter(None, read_cookies(what)), None)


def set_cookie(response: BaseResponse, what: str, value: str, max_age_s: int) -> None:
    """Set a cookie that scripts cannot read, for this number of seconds."""
    response.set_cookie(
        cookie_names(what)[0],
        value,
        max_age=max_age_s,
        path=cookie_path(),
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def _mark(key: str) -> str:
    return hmac.digest(key.encode(), b"cookies", hashlib.sha256).hex()[:8]
