"""What is trusted of the proxies in front, and which hosts are answered."""

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.http.headers import bare_answer
from webapp.logs import get_logger
from webapp.settings import Settings
from webapp.settings.rules import HOST_PATTERN

Environ = dict[str, Any]
Serve = Callable[[Environ, Any], Iterable[bytes]]

A_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
# Probes call these by IP address; no answer depends on the host.
PROBES = frozenset({"/healthz", "/readyz"})
PORTS = {"http": "80", "https": "443"}
OTHER_HOST = "This host is not served here: the setting ALLOWED_HOSTS names those that are."
NO_HOST = "The request names no host that there can be."

log = get_logger(__name__)


def init_app(app: Flask, settings: Settings) -> None:
    """Apply both rules before the application.

    The client's address is the `X-Forwarded-For` entry that our outermost proxy wrote; entries
    further out may be forged. `X-Forwarded-Proto` and `X-Forwarded-Prefix` are trusted as the
    nearest proxy sends them. The host is the `Host` header, which proxies pass on unchanged.
    """
    serve = _only_our_hosts(app.wsgi_app, settings.allowed_hosts)
    if settings.trusted_proxies:
        serve = ProxyFix(
            _drop_impossible(serve), x_for=settings.trusted_proxies, x_proto=1, x_host=0, x_prefix=1
        )
    app.wsgi_app = serve  # type: ignore[method-assign,assignment]


def _drop_impossible(serve: Serve) -> Serve:
    """Drop impossible values: with fewer proxies than configured, visitors can write them."""

    def serve_checked(environ: Environ, start_response: Any) -> Iterable[bytes]:
        before = environ["werkzeug.proxy_fix.orig"]
        environ["REMOTE_ADDR"] = _address_in(environ["REMOTE_ADDR"]) or before["REMOTE_ADDR"]
        environ["wsgi.url_scheme"] = environ["wsgi.url_scheme"].lower()
        if environ["wsgi.url_scheme"] not in PORTS:
            environ["wsgi.url_scheme"] = before["wsgi.url_scheme"]
        if not A_PREFIX.fullmatch(environ["SCRIPT_NAME"]):
            environ["SCRIPT_NAME"] = before["SCRIPT_NAME"]
        return serve(environ, start_response)

    return serve_checked


def _only_our_hosts(serve: Serve, allowed: tuple[str, ...]) -> Serve:
    """Refuse other hosts before any code could repeat them."""

    def serve_checked(environ: Environ, start_response: Any) -> Iterable[bytes]:
        refusal = _refusal(environ, allowed)
        if refusal is None:
            return serve(environ, start_response)
        log.warning("http.host_refused", host=environ.get("HTTP_HOST", "")[:255])
        return refusal(environ, start_response)

    return serve_checked


def _refusal(environ: Environ, allowed: tuple[str, ...]) -> Response | None:
    path, host = environ["PATH_INFO"], environ.get("HTTP_HOST")
    if host is not None and not _is_valid_host(host):
        return bare_answer(400, path, NO_HOST)
    if not allowed or path in PROBES:
        return None
    port = PORTS[environ["wsgi.url_scheme"]]
    if host and any(_matches(host, one, port) for one in allowed):
        return None
    return bare_answer(400, path, OTHER_HOST)


def _is_valid_host(host: str) -> bool:
    """Whether Werkzeug can parse the host; it fails on others when it builds an address."""
    if not HOST_PATTERN.fullmatch(host):
        return False
    name = _split(host)[0]
    try:
        if name.startswith("["):
            IPv6Address(name[1:-1])
        else:
            name.encode().decode("idna")
    except ValueError:
        return False
    return True


def _matches(host: str, allowed: str, default_port: str) -> bool:
    """Whether the host is the allowed one, or below it where that begins with a dot."""
    name, port = _split(host)
    allowed_name, allowed_port = _split(allowed.removeprefix("."))
    if allowed_port and allowed_port != (port or default_port):
        return False
    return name == allowed_name or (allowed.startswith(".") and name.endswith(f".{allowed_name}"))


def _split(host: str) -> tuple[str, str]:
    name, port = HOST_PATTERN.sub(r"\g<name> \g<port>", host.lower()).split(" ")
    return name.rstrip("."), port


def _address_in(text: str) -> str | None:
    """The address alone; None for no address, and for one with a scope."""
    try:
        address = ip_address(_without_port(text))
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        # Proxies may write an IPv4 address as IPv6.
        return str(address.ipv4_mapped or address)
    return str(address)


def _without_port(text: str) -> str:
    """Some proxies add the port: 203.0.113.7:51234, [2001:db8::7]:51234."""
    has_port = text.startswith("[") or text.count(":") == 1
    return (urlsplit(f"//{text}").hostname or "") if has_port else text
