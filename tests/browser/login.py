"""How a browser is started, and who it is."""

from typing import Any, Protocol

import httpx

from tests.acceptance.product import csrf_token
from tests.engines import chromium

EMAIL = "admin@example.com"
# None of what a browser does beside showing pages: it would only cost, and look for the network.
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions"),
)


class Site(Protocol):
    """What is browsed, and the password of its first admin."""

    url: str
    password: str


def launch_options() -> dict[str, Any]:
    """The browser of the PATH where there is one, else Playwright's own."""
    found = chromium.program()
    options: dict[str, Any] = {"args": list(QUIET)}
    return options | ({"executable_path": found} if found else {})


def logged_in(site: Site) -> Any:
    """What a browser keeps of a login of the first admin. How it is done has its own story."""
    with httpx.Client(base_url=site.url, timeout=30) as client:
        token = csrf_token(client.get("/login").text)
        form = {"email": EMAIL, "password": site.password, "csrf_token": token}
        answer = client.post("/login", data=form, headers={"Referer": f"{site.url}/login"})
        assert answer.status_code == 302, answer.text
        kept = {"url": site.url, "httpOnly": True, "sameSite": "Lax"}
        cookies = [kept | {"name": c.name, "value": c.value or ""} for c in client.cookies.jar]
    return {"cookies": [_placed(cookie) for cookie in cookies], "origins": []}


def _placed(cookie: dict[str, Any]) -> dict[str, Any]:
    """A cookie of this host as Playwright's storage wants it."""
    cookie.pop("url")
    return cookie | {"domain": "127.0.0.1", "path": "/", "expires": -1, "secure": False}
