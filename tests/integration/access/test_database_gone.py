"""What visitors see when PostgreSQL goes away."""

import re
from collections.abc import Callable
from pathlib import Path

from tests.access import SECRET_KEY, Visitor, add_token, close, migrated_app, settings_in
from tests.engines.postgres import PostgresServer
from webapp.auth.roles import Role

FIELD = re.compile(r'name="(csrf_token|form_key)" value="([^"]+)"')


def test_every_page_says_503_when_the_database_went_away(
    new_directory: Callable[[str], Path], tmp_path: Path, redis_url: str
) -> None:
    server = PostgresServer(new_directory("leaving"))
    address = server.fresh_database()
    app = migrated_app(
        settings_in(tmp_path, redis_url=redis_url, database_url=address, secret_key=SECRET_KEY)
    )
    visitor, token = Visitor(app), add_token(app)
    visitor.enter(Role.OPERATOR)
    form = dict(FIELD.findall(visitor.get("/admin/tenant/new/").text)[-2:])
    server.stop()
    page = visitor.get("/admin/")
    assert visitor.post("/admin/tenant/new/", {"name": "Acme", **form}).status_code == 503
    problem = visitor.get("/api/tenants", headers={"Authorization": f"Bearer {token}"})
    for answer, kind in ((page, "text/html"), (problem, "application/problem+json")):
        assert (answer.status_code, answer.mimetype) == (503, kind)
        assert answer.headers["Retry-After"]
        assert "psycopg" not in answer.text
    assert visitor.get("/healthz").status_code == 200
    assert visitor.get("/readyz").get_json()["database"] == "down"
    close(app)
