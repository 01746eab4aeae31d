"""The API behind the real web server: many callers at once, and bodies without a length."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from apiflask import APIFlask

from tests.access import add_token
from tests.integration.api.caller import unique
from webapp.auth.roles import Role

AT_ONCE = 50


@pytest.fixture
def caller(app: APIFlask, server: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {add_token(app, Role.OPERATOR)}"}
    limits = httpx.Limits(max_connections=AT_ONCE)
    with httpx.Client(base_url=server, headers=headers, timeout=30, limits=limits) as client:
        yield client


def test_one_tenant_gets_the_slug_when_50_ask_for_it_at_once(caller: httpx.Client) -> None:
    body = {"name": "Race", "slug": unique("race")}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: caller.post("/api/tenants", json=body), range(AT_ONCE)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert refused == {"slug_taken"}
    assert len(caller.get("/api/tenants", params={"q": body["slug"]}).json()["items"]) == 1


def test_all_tenants_get_slugs_when_20_of_one_name_come_at_once(caller: httpx.Client) -> None:
    body = {"name": unique("twins")}
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: caller.post("/api/tenants", json=body), range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["slug"] for answer in answers}) == 20


def test_body_is_refused_when_it_is_too_large_and_chunked(caller: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"name": "'
        for _ in range(20):
            yield b"x" * 64 * 1024
        yield b'"}'

    headers = {"Content-Type": "application/json"}
    answer = caller.post("/api/tenants", content=chunks(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")


def test_body_is_read_when_it_is_chunked(caller: httpx.Client) -> None:
    body = iter([b'{"name": ', b'"Chunked"}'])
    headers = {"Content-Type": "application/json"}
    answer = caller.post("/api/tenants", content=body, headers=headers)
    assert (answer.status_code, answer.json()["name"]) == (201, "Chunked")
