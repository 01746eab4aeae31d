"""Proxies of our own in front: their word on where a request comes from is taken, no other's."""

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.settings import Settings

Serve = Callable[..., Iterable[bytes]]


def init_app(app: Flask, settings: Settings) -> None:
    """Take the visitor's address from `X-Forwarded-For`, as the outermost of ours wrote it.

    Whoever is further out can write what they like there, and is not believed. The scheme needs
    nothing: gunicorn takes it from a proxy on its own machine, and listens to no other.
    """
    if settings.trusted_proxies:
        serve: Serve = app.wsgi_app
        fixed = ProxyFix(_only_addresses(serve), x_for=settings.trusted_proxies, x_proto=0)
        app.wsgi_app = fixed  # type: ignore[method-assign]


def _only_addresses(serve: Serve) -> Serve:
    """With fewer proxies than the setting says, the visitor wrote it: maybe anything at all."""

    def served(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        peer = environ["werkzeug.proxy_fix.orig"]["REMOTE_ADDR"]
        environ["REMOTE_ADDR"] = _address_in(environ["REMOTE_ADDR"]) or peer
        return serve(environ, start_response)

    return served


def _address_in(written: str) -> str | None:
    """The address alone; None where it is none."""
    try:
        return str(ip_address(_without_port(written)))
    except ValueError:
        return None


def _without_port(written: str) -> str:
    """Some proxies add the port: 203.0.113.7:51234, [2001:db8::7]:51234."""
    has_port = written.startswith("[") or written.count(":") == 1
    return (urlsplit(f"//{written}").hostname or "") if has_port else written
