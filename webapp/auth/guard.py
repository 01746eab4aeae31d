"""Deny by default: nothing but the open list is served to whoever has not said who they are."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp import paths
from webapp.auth.principal import carries_token, current_principal, takes_tokens
from webapp.auth.roles import Role
from webapp.extensions import csrf
from webapp.problems import problem

OPEN_ENDPOINTS = frozenset(
    {"static", "admin.static", "security.login", "language", "health.healthz", "health.readyz"}
)


def init_app(app: Flask) -> None:
    """Put the guard before every request of the application, mounted blueprints included."""
    app.before_request(require_credentials)
    app.before_request(require_csrf_token)


def require_credentials() -> ResponseReturnValue | None:
    """Let through the open list and whoever is known; unknown addresses are denied alike."""
    if request.endpoint in OPEN_ENDPOINTS or current_principal() is not None:
        return None
    if takes_tokens():
        return problem(
            401,
            "unauthorized",
            "Log in, or send a valid token as 'Authorization: Bearer TOKEN'.",
            headers={"WWW-Authenticate": 'Bearer realm="paratia"'},
        )
    if request.headers.get("HX-Request") == "true":
        # A fragment: the page around it must go to the login, not the fragment.
        return Response(status=401, headers={"HX-Redirect": url_for("security.login")})
    return redirect(_login_address())


def require_csrf_token() -> None:
    """Refuse a change without a CSRF token, unless a header that no browser sends names who asks.

    Raises:
        CSRFError: answered with 400.
    """
    if not carries_token():
        csrf.protect()


def requires(role: Role) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A view that answers 403 to whoever has less than `role`."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            require(role)
            return view(*args, **kwargs)

        return guarded

    return decorate


def require(role: Role) -> None:
    """Stop the request with 403 unless whoever makes it has `role`, as in a `before_request`."""
    principal = current_principal()
    if principal is None or not principal.may(role):
        abort(403)


def _login_address() -> str:
    login = url_for("security.login")
    # Only a page can be come back to, and coming back to the logout would be absurd.
    if request.method != "GET" or request.path in {"/", "/logout"}:
        return login
    return f"{login}?next={quote(paths.asked_for(), safe='/')}"
