"""A program that calls the API with a token."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from werkzeug.test import TestResponse

from tests.access import Rows, add_token
from tests.engines.web import WebServer
from webapp.auth.roles import Role
from webapp.settings import Settings

# For what does not depend on the database.
ON_SQLITE = pytest.mark.parametrize("settings", ["sqlite"], indirect=True, scope="module")


class Caller(Rows):
    """Somebody with a token of a role."""

    def __init__(
        self, app: APIFlask, role: Role = Role.OPERATOR, token_name: str | None = None
    ) -> None:
        super().__init__(app)
        self._client = app.test_client()
        self.headers = {"Authorization": f"Bearer {add_token(app, role, token_name)}"}

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {**self.headers, **options.pop("headers", {})}
        return self._client.open(f"/api{path}", method=method, headers=headers, **options)

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.call("GET", path, query_string=query)

    def post(self, path: str, body: Any = None, key: str | None = None) -> TestResponse:
        """POST of JSON, with an idempotency key where one is given."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.call("POST", path, json=body, headers=headers)

    def patch(self, path: str, body: Any) -> TestResponse:
        return self.call("PATCH", path, json=body)

    def delete(self, path: str) -> TestResponse:
        return self.call("DELETE", path)

    def tenant(self, name: str = "Acme", **fields: str) -> dict[str, Any]:
        answer = self.post("/tenants", {"name": name, **fields})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json
        return created

    def pages(self, path: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
        """The items of each page, until there is none left."""
        cursor: str | None = ""
        while cursor is not None:
            answer = self.get(path, cursor=cursor, **query).json
            yield answer["items"]
            cursor = answer["next_cursor"]


def web_server(settings: Settings, folder: Path, options: str = "") -> WebServer:
    """The API as a process of its own, with one worker."""
    database, key = settings.database_url or "", settings.secret_key or ""
    more = {
        "DATABASE_URL": database,
        "SECRET_KEY": key,
        "PARTITION_QUEUE": settings.partition_queue,
    }
    return WebServer(folder, settings, **more, GUNICORN_CMD_ARGS=f"--workers 1 {options}")


def unique(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(4)}"


def assert_problem(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The body of an answer that has to be this problem."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = answer.json
    assert body["type"] and body["title"] and body["detail"]
    assert (body["status"], body["code"]) == (status, code)
    return body
