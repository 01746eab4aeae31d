"""The password salt is made once, whoever asks first."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from apiflask import APIFlask

from tests.access import add_user, database_of, settings_in
from webapp import create_app
from webapp.auth.salt import stored_secret


def test_one_secret_is_made_when_many_ask_at_once(app: APIFlask) -> None:
    database = database_of(app)
    with ThreadPoolExecutor(8) as pool:
        values = set(pool.map(lambda _: stored_secret(database, "raced"), range(24)))
    assert len(values) == 1


def test_the_salt_is_the_same_when_the_application_starts_again(
    app: APIFlask, tmp_path: Path
) -> None:
    add_user(app)
    again = create_app(settings_in(tmp_path, secret_key="another key of sixteen or more"))
    assert stored_secret(database_of(again), "password_salt") == app.extensions["password_salt"]


def test_the_application_can_be_made_when_there_are_no_tables_yet(tmp_path: Path) -> None:
    app = create_app(settings_in(tmp_path))
    assert app.test_client().get("/healthz").status_code == 200
