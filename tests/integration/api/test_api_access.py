"""Who may call the API, and how they show who they are."""

import re

import pytest
from apiflask import APIFlask

from tests.access import Visitor, add_user
from tests.integration.api.caller import Caller, assert_problem
from webapp.auth.roles import Role

READING = [
    "/tenants",
    "/tenants/1",
    "/tenants/1/events",
    "/partitions/summary",
    "/partitions/drift",
    "/openapi.json",
]
CHANGING = [
    ("POST", "/tenants"),
    ("POST", "/tenants/bulk"),
    ("PATCH", "/tenants/1"),
    ("DELETE", "/tenants/1"),
    ("POST", "/tenants/1/retry"),
    ("POST", "/tenants/1/adopt"),
    ("POST", "/tenants/1/empty"),
]
# What is looked at does not depend on the database.
pytestmark = pytest.mark.parametrize("settings", ["sqlite"], indirect=True, scope="module")

CSRF_META = re.compile(r'name="csrf-token" content="([^"]+)"')


def logged_in(app: APIFlask, role: Role, address: str) -> Visitor:
    visitor = Visitor(app, address)
    assert visitor.login(add_user(app, role)).status_code == 302
    return visitor


def csrf_headers(visitor: Visitor) -> dict[str, str]:
    """What the page of the API's description sends with changes."""
    found = CSRF_META.search(visitor.get("/api/docs").text)
    assert found
    return {"X-CSRFToken": found.group(1)}


@pytest.mark.parametrize("path", [*READING, "/docs", "/nothing"])
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer ", "Basic YTpi", "x"])
def test_call_is_refused_when_credentials_are_missing_or_wrong(
    app: APIFlask, path: str, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = app.test_client().get(f"/api{path}", headers=headers)
    assert_problem(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), CHANGING)
def test_credentials_are_asked_for_first_when_the_body_is_unusable_too(
    app: APIFlask, method: str, path: str
) -> None:
    answer = app.test_client().open(f"/api{path}", method=method, data=b"{")
    assert_problem(answer, 401, "unauthorized")


@pytest.mark.parametrize("path", READING)
def test_reading_is_allowed_when_the_role_is_viewer(viewer: Caller, path: str) -> None:
    assert viewer.get(path).status_code in {200, 404}


@pytest.mark.parametrize(("method", "path"), CHANGING)
def test_change_is_refused_when_the_role_is_viewer(viewer: Caller, method: str, path: str) -> None:
    assert_problem(viewer.call(method, path, data=b"{"), 403, "forbidden")


def test_reading_is_allowed_when_a_user_is_logged_in(app: APIFlask) -> None:
    visitor = logged_in(app, Role.VIEWER, "198.19.0.1")
    assert visitor.get("/api/tenants").status_code == 200


def test_session_is_not_used_when_a_token_was_sent(app: APIFlask) -> None:
    visitor = logged_in(app, Role.ADMIN, "198.19.0.2")
    answer = visitor.get("/api/tenants", headers={"Authorization": "Bearer wrong"})
    assert_problem(answer, 401, "unauthorized")


def test_change_is_refused_when_a_session_brings_no_csrf_token(app: APIFlask) -> None:
    visitor = logged_in(app, Role.OPERATOR, "198.19.0.3")
    answer = visitor.client.post("/api/tenants", json={"name": "Forged"})
    assert_problem(answer, 400, "bad_request")


def test_change_is_made_when_a_session_brings_its_csrf_token(app: APIFlask) -> None:
    visitor = logged_in(app, Role.OPERATOR, "198.19.0.4")
    headers = csrf_headers(visitor)
    answer = visitor.client.post("/api/tenants", json={"name": "Mine"}, headers=headers)
    assert answer.status_code == 201


def test_change_is_refused_when_the_session_is_a_viewers(app: APIFlask) -> None:
    visitor = logged_in(app, Role.VIEWER, "198.19.0.5")
    headers = csrf_headers(visitor)
    answer = visitor.client.post("/api/tenants", json={"name": "Mine"}, headers=headers)
    assert_problem(answer, 403, "forbidden")
