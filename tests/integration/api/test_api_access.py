"""How callers of the API show who they are; what each may do stands in access/test_doors.py."""

import re

import pytest
from apiflask import APIFlask

from tests.access import Visitor
from tests.integration.api.caller import ON_SQLITE, Caller, assert_problem
from webapp.auth.roles import Role

pytestmark = ON_SQLITE

CSRF_META = re.compile(r'name="csrf-token" content="([^"]+)"')


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer ", "Basic YTpi", "x"])
def test_call_is_refused_when_credentials_are_missing_or_wrong(
    app: APIFlask, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for path in ("/tenants", "/tenants/1", "/openapi.json", "/docs", "/nothing"):
        answer = app.test_client().get(f"/api{path}", headers=headers)
        assert_problem(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), [("POST", "/tenants"), ("PATCH", "/tenants/1")])
def test_credentials_and_role_are_looked_at_first_when_the_body_is_unusable_too(
    app: APIFlask, viewer: Caller, method: str, path: str
) -> None:
    answer = app.test_client().open(f"/api{path}", method=method, data=b"{")
    assert_problem(answer, 401, "unauthorized")
    assert_problem(viewer.call(method, path, data=b"{"), 403, "forbidden")


def test_change_is_made_when_a_session_brings_the_csrf_token_of_the_docs(app: APIFlask) -> None:
    visitor = Visitor(app)
    visitor.enter(Role.OPERATOR)
    found = CSRF_META.search(visitor.page("/api/docs"))
    assert found
    headers = {"X-CSRFToken": found.group(1)}
    answer = visitor.client.post("/api/tenants", json={"name": "Mine"}, headers=headers)
    assert answer.status_code == 201
