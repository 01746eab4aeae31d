"""The headers that every answer carries, errors too."""

import secrets
from collections.abc import Mapping, Sequence

from flask import Flask, Response, current_app, g, request

YEAR_S = 365 * 24 * 3600
EXTENSION = "csp_allowances"

# Bootstrap and Select2 draw their arrows and ticks by data: images.
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


def init_app(app: Flask) -> None:
    """Add the headers to every answer, and `csp_nonce()` to the templates."""
    app.extensions[EXTENSION] = {}
    app.jinja_env.globals["csp_nonce"] = csp_nonce
    app.after_request(_add_headers)


def csp_nonce() -> str:
    """The number, used once, that lets this answer's own `<script>` and `<style>` through."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    nonce: str = g.csp_nonce
    return nonce


def allow_below(app: Flask, prefix: str, sources: Mapping[str, Sequence[str]]) -> None:
    """Allow more sources per directive for addresses that start with `prefix`, such as `/rq/`."""
    app.extensions[EXTENSION][prefix] = sources


def _add_headers(response: Response) -> Response:
    headers = response.headers
    headers["Content-Security-Policy"] = _policy()
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if request.is_secure:
        headers["Strict-Transport-Security"] = f"max-age={YEAR_S}"
    if not _is_static():
        headers["Cache-Control"] = "no-store"
    return response


def _policy() -> str:
    directives = {name: list(sources) for name, sources in POLICY.items()}
    for name in ("script-src", "style-src"):
        directives[name].append(f"'nonce-{csp_nonce()}'")
    for prefix, allowed in current_app.extensions[EXTENSION].items():
        if request.path.startswith(prefix):
            for name, sources in allowed.items():
                directives.setdefault(name, []).extend(sources)
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def _is_static() -> bool:
    return (request.endpoint or "").rpartition(".")[2] == "static"
