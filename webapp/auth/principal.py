"""Who is asking: a token below the API, a logged-in user elsewhere."""

from dataclasses import dataclass
from typing import Literal

from flask import g, request
from flask_login import current_user

from webapp.auth.roles import Role

API_PREFIX = "/api/"
METRICS_PATH = "/metrics"


@dataclass(frozen=True)
class Principal:
    """Whoever makes a request, and what they may do."""

    kind: Literal["user", "token"]
    name: str
    role: Role

    @property
    def actor(self) -> str:
        """How logs and timelines name them: `user:a@b.c`, `token:ci`."""
        return f"{self.kind}:{self.name}"

    def may(self, role: Role) -> bool:
        """Whether they may do what asks for `role`."""
        return self.role.includes(role)


def takes_tokens() -> bool:
    """Whether this request's address is one where tokens count."""
    return request.path.startswith(API_PREFIX) or request.path == METRICS_PATH


def carries_token() -> bool:
    """Whether credentials came in a header that counts here: then no session is looked at.

    A browser never sends this header by itself, so such a request needs no CSRF token.
    """
    return takes_tokens() and "Authorization" in request.headers


def current_principal() -> Principal | None:
    """Who makes this request, asked once; None for nobody, a bad token, a dead session."""
    if "principal" not in g:
        g.principal = _from_token() if carries_token() else _from_session()
    principal: Principal | None = g.principal
    return principal


def _from_token() -> Principal | None:
    # Tokens are made of principals, so their module imports this one.
    from webapp.auth.tokens import authenticate

    return authenticate(request.headers.get("Authorization"))


def _from_session() -> Principal | None:
    if not current_user.is_authenticated:
        return None
    return Principal(kind="user", name=current_user.email, role=current_user.role)
