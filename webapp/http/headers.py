"""The headers of every answer, errors included."""

import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from flask import Flask, Response, g, request

from webapp.http.problems import code_of, problem

YEAR_S = 365 * 24 * 3600

# Bootstrap and Select2 use data: images.
POLICY: Mapping[str, tuple[str, ...]] = {
    "default-src": ("'self'",),
    "script-src": ("'self'",),
    "style-src": ("'self'",),
    "img-src": ("'self'", "data:"),
    "object-src": ("'none'",),
    "base-uri": ("'self'",),
    "form-action": ("'self'",),
    "frame-ancestors": ("'none'",),
}

# Further sources below an address. rq-dashboard: Underscore compiles templates with
# `new Function`, and the markup has style attributes.
BELOW: Mapping[str, Mapping[str, Sequence[str]]] = {
    "/rq/": {"script-src": ["'unsafe-eval'"], "style-src-attr": ["'unsafe-inline'"]},
}

ALWAYS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
BARE_PAGE = (
    '<!doctype html>\n<html lang="en"><title>{title}</title><h1>{title}</h1><p>{detail}</p>\n'
)


def init_app(app: Flask) -> None:
    """Add the headers to every answer, and `csp_nonce()` to the templates."""
    app.jinja_env.globals["csp_nonce"] = csp_nonce
    app.after_request(_add_headers)


def csp_nonce() -> str:
    """The nonce of this answer's `<script>` and `<style>` elements."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    nonce: str = g.csp_nonce
    return nonce


def bare_answer(status: int, path: str, detail: str = "The request was refused.") -> Response:
    """An answer with all headers, without input or an application, for early refusals."""
    if path.startswith("/api/"):
        answer = problem(status, code_of(status), detail)
    else:
        title = HTTPStatus(status).phrase
        answer = Response(BARE_PAGE.format(title=title, detail=detail), status)
    answer.headers["Content-Security-Policy"] = _serialize(POLICY)
    answer.headers.update(ALWAYS)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _add_headers(response: Response) -> Response:
    headers = response.headers
    headers["Content-Security-Policy"] = _policy()
    headers.update(ALWAYS)
    if request.is_secure:
        headers["Strict-Transport-Security"] = f"max-age={YEAR_S}"
    if not _is_static() or response.status_code >= HTTPStatus.BAD_REQUEST:
        headers["Cache-Control"] = "no-store"
    return response


def _policy() -> str:
    directives = {name: list(sources) for name, sources in POLICY.items()}
    for name in ("script-src", "style-src"):
        directives[name].append(f"'nonce-{csp_nonce()}'")
    for prefix, allowed in BELOW.items():
        if request.path.startswith(prefix):
            for name, sources in allowed.items():
                directives.setdefault(name, []).extend(sources)
    return _serialize(directives)


def _serialize(directives: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def _is_static() -> bool:
    return (request.endpoint or "").rpartition(".")[2] == "static"
