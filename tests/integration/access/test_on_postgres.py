"""Access on PostgreSQL, and what visitors see when it goes away."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apiflask import APIFlask
from sqlalchemy import func, select

from tests.access import (
    PASSWORD,
    SETUP,
    Visitor,
    add_token,
    add_user,
    close,
    database_of,
    migrated_app,
    settings_in,
)
from tests.engines.postgres import PostgresServer
from tests.integration.access.conftest import new_address
from webapp.auth.models import User
from webapp.auth.roles import Role
from webapp.auth.salt import stored_secret
from webapp.auth.tokens import TokenNameTaken
from webapp.auth.users import ensure_admin

KEY = "sixteen characters or more"
FIELD = re.compile(r'name="(csrf_token|form_key)" value="([^"]+)"')


@pytest.fixture
def on_postgres(
    fresh_database: Callable[[], str], tmp_path: Path, redis_url: str
) -> Iterator[APIFlask]:
    """The application on an empty PostgreSQL database."""
    settings = settings_in(
        tmp_path, redis_url=redis_url, database_url=fresh_database(), secret_key=KEY
    )
    app = migrated_app(settings)
    yield app
    close(app)


def test_no_more_guesses_are_looked_at_than_the_limit_when_they_come_at_once(
    on_postgres: APIFlask,
) -> None:
    address, email = new_address(), add_user(on_postgres)
    with ThreadPoolExecutor(4) as pool:
        guess = lambda _: Visitor(on_postgres, address).login(email, "a wrong guess").status_code  # noqa: E731
        answers = list(pool.map(guess, range(16)))
    assert sorted(answers) == [200] * 10 + [429] * 6


def test_a_token_name_is_taken_when_a_live_token_has_it(on_postgres: APIFlask) -> None:
    add_token(on_postgres, name="ci")
    with pytest.raises(TokenNameTaken):
        add_token(on_postgres, name="ci")


def test_one_admin_and_one_salt_are_made_when_machines_start_at_once(
    on_postgres: APIFlask,
) -> None:
    database = database_of(on_postgres)

    def start(number: int) -> str:
        with on_postgres.app_context():
            ensure_admin(database, f"admin{number}@example.test", PASSWORD, actor=SETUP)
        return stored_secret(database, "raced")

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(start, range(4)))) == 1
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(User)) == 1


def test_every_page_says_503_when_the_database_went_away(
    new_directory: Callable[[str], Path], tmp_path: Path, redis_url: str
) -> None:
    server = PostgresServer(new_directory("leaving"))
    address = server.fresh_database()
    app = migrated_app(
        settings_in(tmp_path, redis_url=redis_url, database_url=address, secret_key=KEY)
    )
    visitor, token = Visitor(app, new_address()), add_token(app)
    visitor.login(add_user(app, Role.OPERATOR))
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
