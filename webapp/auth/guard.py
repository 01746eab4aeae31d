"""Deny by default: without a login or token only the open list is served."""

from urllib.parse import quote, urlsplit

from flask import Flask, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import UnsupportedMediaType

from webapp.auth import kept_forms
from webapp.auth.principal import carries_token, current_principal, takes_tokens
from webapp.auth.roles import Role
from webapp.db.safe_methods import SAFE_METHODS
from webapp.http import paths
from webapp.http.problems import problem
from webapp.logs import get_logger

OPEN_ENDPOINTS = frozenset(
    {"static", "admin.static", "security.login", "language", "health.healthz", "health.readyz"}
)

# Flask-WTF's messages of refusal, and a name for each check.
REFERER_DIFFERS = "The referrer does not match the host."
CHECKS = {
    "The CSRF token is missing.": "no_token",
    "The CSRF session token is missing.": "session_without_token",
    "The CSRF token is invalid.": "other_signature",
    "The CSRF tokens do not match.": "other_session",
    "The referrer header is missing.": "no_referer",
    REFERER_DIFFERS: "other_referer",
}
MAX_ORIGIN = 300

csrf = CSRFProtect()
log = get_logger(__name__)


def init_app(app: Flask) -> None:
    """Guard every request of the application, mounted blueprints included."""
    app.before_request(require_form)
    app.before_request(require_credentials)
    app.before_request(require_csrf_token)


def require_form() -> None:
    """Refuse JSON where forms are expected: WTForms reads it, and fails on all but objects.

    Raises:
        UnsupportedMediaType: answered with 415.
    """
    if request.is_json and request.method not in SAFE_METHODS and not takes_tokens():
        raise UnsupportedMediaType


def require_credentials() -> ResponseReturnValue | None:
    """Allow open endpoints and known principals; unknown addresses are denied alike."""
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
        # A fragment: htmx leads the whole page to the login.
        return Response(status=401, headers={"HX-Redirect": _login_address(_page_around())})
    if form := kept_forms.sent_form():
        return kept_forms.login_page(kept=form, status=401)
    return redirect(_login_address(_this_page()))


def require_csrf_token() -> None:
    """Refuse a change without a CSRF token, unless the request carries an API token.

    Raises:
        CSRFError: answered with 400.
    """
    if carries_token():
        return
    try:
        csrf.protect()
    except CSRFError as error:
        _log_refusal(error)
        raise
    except ValueError as error:
        # An invalid `Referer`.
        refusal = CSRFError(REFERER_DIFFERS)
        _log_refusal(refusal)
        raise refusal from error


def _log_refusal(error: CSRFError) -> None:
    """Log which check failed and what was compared; tokens are not logged."""
    log.warning(
        "form.refused",
        check=CHECKS.get(error.description, error.description),
        referer=_origin(request.referrer),
        expected=f"{request.scheme}://{request.host}",
        endpoint=request.endpoint,
    )


def _origin(address: str | None) -> str | None:
    """Scheme, host and port: the rest may hold secrets."""
    if address is None:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return "unreadable"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"[:MAX_ORIGIN]


def require(role: Role) -> None:
    """Stop the request with 403 unless its principal has `role`; fit for `before_request`."""
    principal = current_principal()
    if principal is None or not principal.may(role):
        abort(403)


def _login_address(page: str | None) -> str:
    login = url_for("security.login")
    return f"{login}?next={quote(page, safe='/')}" if page else login


def _this_page() -> str | None:
    # A return after the login is possible only to a page, and not to the logout.
    if request.method != "GET" or request.path in {"/", "/logout"}:
        return None
    return paths.asked_for()


def _page_around() -> str | None:
    try:
        page = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return None
    return page._replace(scheme="", netloc="", fragment="").geturl() or None
