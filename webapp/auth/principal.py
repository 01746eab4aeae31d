"""The principal of a request: a token below the API, a logged-in user elsewhere."""

from flask import g, request
from flask_login import current_user

from webapp.auth.roles import Principal
from webapp.auth.tokens import authenticate
from webapp.http.paths import API_PREFIX, METRICS_PATH


def takes_tokens() -> bool:
    """Whether API tokens are accepted at this address."""
    return request.path.startswith(API_PREFIX) or request.path == METRICS_PATH


def carries_token() -> bool:
    """Whether an `Authorization` header counts here; browsers never send it by themselves."""
    return takes_tokens() and "Authorization" in request.headers


def current_principal() -> Principal | None:
    """The principal, determined once a request; None without a valid token or session."""
    if "principal" not in g:
        token = request.headers.get("Authorization")
        g.principal = authenticate(token) if carries_token() else _from_session()
    principal: Principal | None = g.principal
    return principal


def _from_session() -> Principal | None:
    if not current_user.is_authenticated:
        return None
    return Principal(
        kind="user", id=current_user.id, name=current_user.email, role=current_user.role
    )
