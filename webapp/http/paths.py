"""Addresses of this site, below the path at which it is served."""

import re
from urllib.parse import quote, urlsplit

from flask import Flask, Response, redirect, request, url_for

A_PATH = re.compile(r"/(?![/\\])[^\s\\]*")
# Characters of a query that need no quoting, and % of what is quoted already.
AS_IT_IS = "%/?:@!$&'()*+,;="


def init_app(app: Flask) -> None:
    """Make every redirect a path of this site, without a host."""
    app.after_request(_stay)


def home() -> str:
    """The default page."""
    return url_for("admin.index")


def is_here(address: str) -> bool:
    """Whether the address is nothing but a path of this site."""
    is_path = address.isprintable() and A_PATH.fullmatch(address) is not None
    return is_path and address.startswith(f"{request.script_root}/")


def here(address: str) -> str:
    """The address where it is a path of this site, else home."""
    return address if is_here(address) else home()


def asked_for() -> str:
    """The address of this request, as a link."""
    query = request.query_string.decode("latin-1")
    path = quote(request.script_root + request.path)
    return f"{path}?{quote(query, safe=AS_IT_IS)}" if query else path


def this_page() -> str:
    """The address that shows this page again; for a POST, the page that sent it."""
    if request.method == "GET":
        return asked_for()
    try:
        sent_from = urlsplit(request.referrer or "")
    except ValueError:
        return home()
    return here(sent_from._replace(scheme="", netloc="", fragment="").geturl())


def cookie_path() -> str:
    """The path of our cookies: other applications on this host do not get them."""
    return f"{request.script_root}/"


def _stay(response: Response) -> Response:
    if response.location is not None:
        # Werkzeug's own redirects (to a trailing slash) name the host.
        address = here(response.location.removeprefix(request.host_url.rstrip("/")))
        if address != response.location:
            response.location = address
            response.set_data(redirect(address).get_data())
    return response


API_PREFIX = "/api/"
METRICS_PATH = "/metrics"
