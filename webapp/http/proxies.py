"""What is taken from the proxies in front, and which hosts are answered: one rule, kept here."""

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.http.headers import bare_answer
from webapp.logs import get_logger
from webapp.settings import HOST_PATTERN, Settings

Environ = dict[str, Any]
Serve = Callable[[Environ, Any], Iterable[bytes]]

A_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
# Probes ask these by the address of a machine; neither says anything about a host.
PROBES = frozenset({"/healthz", "/readyz"})
PORTS = {"http": "80", "https": "443"}
OTHER_HOST = "This host is not served here: the setting ALLOWED_HOSTS names those that are."
NO_HOST = "The request names no host that there can be."

log = get_logger(__name__)


def init_app(app: Flask, settings: Settings) -> None:
    """Put the rule in front of the application.

    Of `X-Forwarded-For`, the address counts that the outermost proxy of ours wrote; what comes
    from further out, anybody may have written. `X-Forwarded-Proto` and `X-Forwarded-Prefix`
    are the word of the nearest proxy, which writes them anew or passes on what another of ours
    wrote. The host is the `Host` header, which proxies leave as it came, and nothing else.
    """
    serve = _only_our_hosts(app.wsgi_app, settings.allowed_hosts)
    if settings.trusted_proxies:
        serve = ProxyFix(
            _only_what_can_be(serve),
            x_for=settings.trusted_proxies,
            x_proto=1,
            x_host=0,
            x_prefix=1,
        )
    app.wsgi_app = serve  # type: ignore[method-assign,assignment]


def _only_what_can_be(serve: Serve) -> Serve:
    """With fewer proxies than the setting says, the visitor wrote it: maybe anything at all."""

    def served(environ: Environ, start_response: Any) -> Iterable[bytes]:
        before = environ["werkzeug.proxy_fix.orig"]
        environ["REMOTE_ADDR"] = _address_in(environ["REMOTE_ADDR"]) or before["REMOTE_ADDR"]
        environ["wsgi.url_scheme"] = environ["wsgi.url_scheme"].lower()
        if environ["wsgi.url_scheme"] not in PORTS:
            environ["wsgi.url_scheme"] = before["wsgi.url_scheme"]
        if not A_PREFIX.fullmatch(environ["SCRIPT_NAME"]):
            environ["SCRIPT_NAME"] = before["SCRIPT_NAME"]
        return serve(environ, start_response)

    return served


def _only_our_hosts(serve: Serve, allowed: tuple[str, ...]) -> Serve:
    """Refuse every other host, before anything could repeat it."""

    def served(environ: Environ, start_response: Any) -> Iterable[bytes]:
        refusal = _refusal(environ, allowed)
        if refusal is None:
            return serve(environ, start_response)
        log.warning("http.host_refused", host=environ.get("HTTP_HOST", "")[:255])
        return refusal(environ, start_response)

    return served


def _refusal(environ: Environ, allowed: tuple[str, ...]) -> Response | None:
    path, host = environ["PATH_INFO"], environ.get("HTTP_HOST")
    if host is not None and not _can_be(host):
        return bare_answer(400, path, NO_HOST)
    if not allowed or path in PROBES:
        return None
    port = PORTS[environ["wsgi.url_scheme"]]
    if host and any(_matches(host, one, port) for one in allowed):
        return None
    return bare_answer(400, path, OTHER_HOST)


def _can_be(host: str) -> bool:
    """Whether it is one that Werkzeug can read: it fails at others where it makes an address."""
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
    wanted, wanted_port = _split(allowed.removeprefix("."))
    if wanted_port and wanted_port != (port or default_port):
        return False
    return name == wanted or (allowed.startswith(".") and name.endswith(f".{wanted}"))


def _split(host: str) -> tuple[str, str]:
    """The name and the port of what fits the pattern."""
    name, port = HOST_PATTERN.sub(r"\g<name> \g<port>", host.lower()).split(" ")
    return name.rstrip("."), port


def _address_in(written: str) -> str | None:
    """The address alone; None where it is none, or one that means something to one machine only."""
    try:
        address = ip_address(_without_port(written))
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        # One visitor has one address, whichever way a proxy writes it.
        return str(address.ipv4_mapped or address)
    return str(address)


def _without_port(written: str) -> str:
    """Some proxies add the port: 203.0.113.7:51234, [2001:db8::7]:51234."""
    has_port = written.startswith("[") or written.count(":") == 1
    return (urlsplit(f"//{written}").hostname or "") if has_port else written
