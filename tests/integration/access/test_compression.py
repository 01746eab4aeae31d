"""What goes out compressed, what does not, and what a page's length tells."""

import gzip
from typing import Any

import pytest
from apiflask import APIFlask
from werkzeug.test import TestResponse

from tests.access import Visitor, add_token
from webapp.auth.roles import Role

GZIP = {"Accept-Encoding": "gzip"}
BUNDLE = "/static/vendor/swagger-ui/swagger-ui-bundle.js"


def unpacked(answer: TestResponse) -> bytes:
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["Vary"]
    return gzip.decompress(answer.data)


def test_a_page_is_compressed_when_that_is_asked_for(visitor: Visitor) -> None:
    assert unpacked(visitor.get("/login", headers=GZIP)).startswith(b"<!DOCTYPE html>")
    plain = visitor.get("/login")
    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in plain.headers["Vary"]


def test_a_page_has_another_length_when_it_is_asked_for_again(visitor: Visitor) -> None:
    visitor.get("/login")
    lengths = {len(visitor.get("/login", headers=GZIP).data) for _ in range(30)}
    assert max(lengths) - min(lengths) > 20


def test_a_file_is_compressed_and_known_again(visitor: Visitor) -> None:
    with visitor.get(BUNDLE) as plain, visitor.get(BUNDLE, headers=GZIP) as packed:
        assert unpacked(packed) == plain.data
        assert len(packed.data) < len(plain.data) / 3
        tag = {"If-None-Match": packed.headers["ETag"]}
    with visitor.get(BUNDLE, headers={**GZIP, **tag}) as again:
        assert (again.status_code, again.data) == (304, b"")


def test_a_part_of_a_file_is_sent_as_it_is(visitor: Visitor) -> None:
    with visitor.get(BUNDLE, headers={**GZIP, "Range": "bytes=0-999"}) as part:
        assert (part.status_code, len(part.data)) == (206, 1000)
        assert "Content-Encoding" not in part.headers


def test_the_headers_alone_are_sent_when_they_alone_are_asked_for(visitor: Visitor) -> None:
    for path in ("/login", BUNDLE):
        with visitor.client.head(path, headers=GZIP) as answer:
            assert (answer.status_code, answer.data) == (200, b"")
            assert answer.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/healthz", "/static/mark.svg"])
def test_a_small_answer_is_sent_as_it_is(visitor: Visitor, path: str) -> None:
    with visitor.get(path, headers=GZIP) as answer:
        assert int(answer.headers["Content-Length"]) < 500
        assert "Content-Encoding" not in answer.headers


def test_a_live_part_is_known_again_when_it_was_compressed(visitor: Visitor) -> None:
    visitor.enter()
    headers = {**GZIP, "HX-Request": "true"}
    first = visitor.get("/admin/partitions/live/?tab=all", headers=headers)
    assert unpacked(first)
    again = visitor.get(
        "/admin/partitions/live/?tab=all",
        headers={**headers, "If-None-Match": first.headers["ETag"]},
    )
    assert (again.status_code, again.data) == (304, b"")


def test_an_export_is_compressed_while_it_is_made(visitor: Visitor) -> None:
    visitor.enter()
    assert unpacked(visitor.get("/admin/export/tenants.csv", headers=GZIP)).startswith(b"\xef\xbb")


def test_a_repeat_is_the_same_to_the_byte_when_it_is_compressed(app: APIFlask) -> None:
    headers = {**GZIP, "Idempotency-Key": "k"}
    headers["Authorization"] = f"Bearer {add_token(app, Role.OPERATOR)}"
    body: dict[str, Any] = {"tenants": [{"name": f"Tenant {number}"} for number in range(5)]}
    client = app.test_client()
    first, again = (client.post("/api/tenants/bulk", json=body, headers=headers) for _ in range(2))
    assert again.headers["Idempotent-Replayed"] == "true"
    assert unpacked(first) == unpacked(again)
    assert first.data == again.data
