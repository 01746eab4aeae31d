"""How errors of every kind become problems."""

import pytest
from webapp.http.problems import answer_http_error, code_of, problem
from werkzeug.exceptions import Conflict, MethodNotAllowed, NotFound


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (413, "content_too_large"),
        (415, "unsupported_media_type"),
        (422, "invalid"),
        (429, "too_many_requests"),
        (500, "internal_error"),
        (503, "unavailable"),
    ],
)
def test_code_is_stable_when_the_status_says_all(status: int, code: str) -> None:
    assert code_of(status) == code


def test_errors_are_left_out_when_no_field_is_to_blame() -> None:
    body = problem(404, "not_found", "there is no tenant 7").get_json()
    assert body == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no tenant 7",
        "code": "not_found",
    }


def test_detail_speaks_of_no_browser_when_nobody_gave_one() -> None:
    assert answer_http_error(NotFound()).get_json()["detail"] == "There is nothing at this address."


def test_detail_is_kept_when_somebody_gave_one() -> None:
    assert answer_http_error(Conflict("twice")).get_json()["detail"] == "twice"


def test_allowed_methods_are_kept_when_the_method_is_refused() -> None:
    answer = answer_http_error(MethodNotAllowed(valid_methods=["GET"]))
    assert answer.headers["Allow"] == "GET"
    assert answer.content_type == "application/problem+json"
