"""What is trusted of the proxies in front, and which hosts are answered."""

import re
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response
from werkzeug.http import parse_list_header

from webapp.http.headers import bare_answer
from webapp.logs import get_logger
from webapp.settings import Settings
from webapp.settings.rules import HOST_PATTERN, Networks

Environ = dict[str, Any]
Address = IPv4Address | IPv6Address
# Their number, or the addresses of all of them.
Proxies = int | Networks
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

    A peer that is no proxy of ours is the client, and its `X-Forwarded-*` are not read. The headers
    of a proxy are read as it sends them: `X-Forwarded-Proto`, `X-Forwarded-Prefix`, and the
    client's address in `X-Forwarded-For`. The host is the `Host` header, which proxies pass on.
    """
    serve = _only_our_hosts(app.wsgi_app, settings.allowed_hosts)
    app.wsgi_app = _behind(serve, settings.trusted_proxies)  # type: ignore[method-assign,assignment]


def _behind(serve: Serve, proxies: Proxies) -> Serve:
    def serve_behind(environ: Environ, start_response: Any) -> Iterable[bytes]:
        peer = _address_in(environ.get("REMOTE_ADDR", ""))
        if peer:
            environ["REMOTE_ADDR"] = str(peer)
        if _is_ours(peer, proxies):
            _believe(environ, peer, proxies)
        return serve(environ, start_response)

    return serve_behind


def _is_ours(peer: Address | None, proxies: Proxies) -> bool:
    """Whether the peer is a proxy of ours; with a number of proxies, each peer is."""
    if isinstance(proxies, int):
        return proxies > 0
    return peer is not None and any(peer in network for network in proxies)


def _believe(environ: Environ, peer: Address | None, proxies: Proxies) -> None:
    """Take what the proxy says of its client. Impossible values are dropped."""
    hops = [_address_in(hop) for hop in parse_list_header(environ.get("HTTP_X_FORWARDED_FOR", ""))]
    if client := _client(hops, peer, proxies):
        environ["REMOTE_ADDR"] = str(client)
    scheme = _last(environ, "HTTP_X_FORWARDED_PROTO").lower()
    if scheme in PORTS:
        environ["wsgi.url_scheme"] = scheme
    prefix = _last(environ, "HTTP_X_FORWARDED_PREFIX")
    if A_PREFIX.fullmatch(prefix):
        environ["SCRIPT_NAME"] = prefix


def _client(
    hops: Sequence[Address | None], peer: Address | None, proxies: Proxies
) -> Address | None:
    """The client's address: each hop is the peer of the proxy that is written after it.

    With a number N it is the N-th from the end; hops before it may be forged. With addresses, it is
    the last one that is not ours.
    """
    if isinstance(proxies, int):
        return hops[-proxies] if len(hops) >= proxies else None
    client = peer
    for hop in reversed(hops):
        if hop is None or not _is_ours(client, proxies):
            break
        client = hop
    return client


def _last(environ: Environ, header: str) -> str:
    """The value that the nearest proxy has written."""
    return next(reversed(parse_list_header(environ.get(header, ""))), "")


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


def _address_in(text: str) -> Address | None:
    """The address alone; None for no address, and for one with a scope."""
    try:
        address = ip_address(_without_port(text))
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    # Proxies may write an IPv4 address as IPv6, and a socket for both does.
    return None if address.scope_id is not None else address.ipv4_mapped or address


def _without_port(text: str) -> str:
    """Some proxies add the port: 203.0.113.7:51234, [2001:db8::7]:51234."""
    has_port = text.startswith("[") or text.count(":") == 1
    return (urlsplit(f"//{text}").hostname or "") if has_port else text
