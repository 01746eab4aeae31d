"""Headers, ids and pages of every answer, errors too."""

import re

import pytest
from apiflask import APIFlask
from flask import abort
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tests.access import Visitor, add_user


@pytest.mark.parametrize("path", ["/login", "/nothing", "/api/nothing", "/healthz"])
def test_the_headers_are_there_when_anything_is_answered(visitor: Visitor, path: str) -> None:
    headers = visitor.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert re.search(r"script-src 'self' 'nonce-[\w-]{22}'", policy)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers


def test_the_nonce_is_another_when_asked_again(visitor: Visitor) -> None:
    policies = {visitor.get("/login").headers["Content-Security-Policy"] for _ in range(3)}
    assert len(policies) == 3


def test_browsers_are_bound_to_tls_when_they_came_over_it(app: APIFlask) -> None:
    headers = Visitor(app, scheme="https").get("/nothing").headers
    assert "max-age=" in headers["Strict-Transport-Security"]


def test_a_path_alone_gets_more_when_it_was_allowed(visitor: Visitor) -> None:
    assert "'unsafe-eval'" in visitor.get("/rq/").headers["Content-Security-Policy"]
    assert "unsafe" not in visitor.get("/rqx").headers["Content-Security-Policy"]


def test_errors_are_pages_of_ours_and_problems_below_the_api(visitor: Visitor) -> None:
    visitor.app.add_url_rule("/fail/<int:code>", "fail", abort)
    visitor.app.add_url_rule("/api/fail/<int:code>", "api_fail", abort)
    visitor.enter()
    for status in (400, 403, 404, 405, 413, 429, 500, 503):
        answer = visitor.get(f"/fail/{status}")
        assert (answer.status_code, answer.mimetype) == (status, "text/html")
        assert f'<span class="status">{status}</span>' in answer.text
        assert answer.headers["X-Request-ID"] in answer.text
        assert "nonce-" in answer.headers["Content-Security-Policy"]
        answer = visitor.get(f"/api/fail/{status}")
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
        body = answer.get_json(force=True)
        assert body["status"] == status
        assert body["code"]


def test_a_crash_shows_no_trace_when_it_happens(visitor: Visitor) -> None:
    visitor.app.add_url_rule("/crash", "crash", lambda: 1 // 0)
    visitor.enter()
    answer = visitor.get("/crash")
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text
    assert "nosniff" in answer.headers["X-Content-Type-Options"]


@pytest.mark.parametrize("path", ["/broken", "/api/broken"])
@pytest.mark.parametrize(
    "error", [OperationalError("SELECT 1", {"p": "canary"}, Exception("gone")), PoolTimeout()]
)
def test_the_answer_is_503_when_the_database_is_in_trouble(
    visitor: Visitor, path: str, error: Exception
) -> None:
    def broken() -> str:
        raise error

    visitor.app.add_url_rule(path, "broken", broken)
    visitor.enter()
    answer = visitor.get(path)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "canary" not in answer.text


def test_a_request_keeps_its_id_when_the_client_sent_a_harmless_one(visitor: Visitor) -> None:
    def id_when(sent: str) -> str:
        return visitor.get("/login", headers={"X-Request-ID": sent}).headers["X-Request-ID"]

    assert id_when("abc.DEF_1-2") == "abc.DEF_1-2"
    for unusable in ("", "a" * 65, "a b", 'x"y', "<script>"):
        assert re.fullmatch(r"[0-9a-f]{32}", id_when(unusable)), unusable


def test_a_login_without_csrf_token_is_refused_when_sent(visitor: Visitor) -> None:
    answer = visitor.post("/login", {"email": add_user(visitor.app), "password": "x"})
    assert answer.status_code == 400
    assert "you were not logged in" in answer.text
