"""Addresses of this site: where pages are, below whatever path it is served, and where it leads."""

import re
from urllib.parse import quote, urlsplit

from flask import Flask, Response, redirect, request, url_for

A_PATH = re.compile(r"/(?![/\\])[^\s\\]*")
# What may stand in a query as it is, and what is written with % there already.
AS_IT_IS = "%/?:@!$&'()*+,;="


def init_app(app: Flask) -> None:
    """Let every redirect stay on this site, and name no host in it."""
    app.after_request(_stay)


def home() -> str:
    """The page that visitors are led to when no other is known."""
    return url_for("admin.index")


def is_here(address: str) -> bool:
    """Whether the address is a path of this site, and nothing else."""
    is_path = address.isprintable() and A_PATH.fullmatch(address) is not None
    return is_path and address.startswith(f"{request.script_root}/")


def here(address: str) -> str:
    """The address where it is a path of this site, else home."""
    return address if is_here(address) else home()


def asked_for() -> str:
    """The address of this request, as it stands in a link."""
    query = request.query_string.decode("latin-1")
    path = quote(request.script_root + request.path)
    return f"{path}?{quote(query, safe=AS_IT_IS)}" if query else path


def this_page() -> str:
    """The address that shows this page again: what was sent cannot be sent anew."""
    if request.method == "GET":
        return asked_for()
    try:
        sent_from = urlsplit(request.referrer or "")
    except ValueError:
        return home()
    return here(sent_from._replace(scheme="", netloc="", fragment="").geturl())


def cookie_path() -> str:
    """The path that our cookies are for: an application beside us on this host gets none."""
    return f"{request.script_root}/"


def _stay(response: Response) -> Response:
    if response.location is not None:
        # Werkzeug's own redirects, to the address with its last slash, name the host.
        address = here(response.location.removeprefix(request.host_url.rstrip("/")))
        if address != response.location:
            response.location = address
            response.set_data(redirect(address).get_data())
    return response


API_PREFIX = "/api/"
METRICS_PATH = "/metrics"
