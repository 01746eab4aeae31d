"""`flask users` and `flask tokens`: results on stdout, refusals with the option's name."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apiflask import APIFlask
from click.testing import Result
from sqlalchemy import func, select

from tests.access import (
    ON_EACH_DATABASE,
    PASSWORD,
    SETUP,
    MakeApp,
    Rows,
    Visitor,
    add_user,
    database_of,
    settings_in,
)
from webapp import create_app
from webapp.auth.models import User
from webapp.auth.roles import Role
from webapp.auth.salt import stored_secret
from webapp.auth.tokens import authenticate
from webapp.auth.users import ensure_admin
from webapp.cli.access import users_cli
from webapp.models.audit import AuditEntry

Run = Callable[..., Result]


def test_the_secret_stands_alone_on_the_last_line_when_a_token_is_made(
    app: APIFlask, run: Run
) -> None:
    result = run("tokens", "create", "--name", "ci", "--role", "operator")
    assert result.exit_code == 0
    with app.app_context():
        principal = authenticate(f"Bearer {result.stdout.splitlines()[-1]}")
    assert principal is not None
    assert principal.role is Role.OPERATOR


def test_a_token_is_dead_when_revoked_by_name_or_number(run: Run) -> None:
    for way in ("ci", "2"):
        run("tokens", "create", "--name", "ci", "--role", "viewer")
        assert run("tokens", "revoke", "--name", way).exit_code == 0
    tokens = json.loads(run("tokens", "list", "--json").stdout)
    assert [bool(token["revoked_at"]) for token in tokens] == [True, True]


def test_no_secret_is_shown_when_tokens_are_listed(run: Run) -> None:
    secret = run("tokens", "create", "--name", "ci", "--role", "viewer").stdout.strip()
    for words in (["tokens", "list"], ["tokens", "list", "--json"]):
        assert "ci" in run(*words).stdout
        assert secret not in run(*words).stdout


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("tokens create --role viewer", "--name"),
        ("tokens create --name x --role king", "--role"),
        ("tokens revoke --name nobody", "--name"),
        ("tokens revoke --name 99999999999999999999", "--name"),
        ("users create --email nonsense --role viewer", "--email"),
        ("users create --email a@b.c", "--role"),
        ("users create --email a@b.c --role viewer --password short", "--password"),
        ("users set-role --email no@body.test --role viewer", "--email"),
        ("users deactivate --email no@body.test", "--email"),
    ],
)
def test_the_option_is_named_when_input_is_bad(run: Run, words: str, option: str) -> None:
    result = run(*words.split())
    assert result.exit_code == 2
    assert option in result.stderr
    assert not result.stdout


def test_the_option_is_named_when_the_user_exists(app: APIFlask, run: Run) -> None:
    email = add_user(app)
    result = run("users", "create", "--email", email, "--role", "viewer")
    assert (result.exit_code, "--email" in result.stderr) == (2, True)


def test_the_printed_password_opens_the_panel_when_it_was_generated(
    app: APIFlask, run: Run
) -> None:
    result = run("users", "create", "--email", "New@example.test", "--role", "viewer")
    password = result.stdout.splitlines()[-1]
    visitor = Visitor(app)
    assert visitor.login("new@example.test", password).status_code == 302


def test_only_the_password_is_printed_when_the_first_admin_is_made(app: APIFlask, run: Run) -> None:
    first, second = run("users", "ensure-admin"), run("users", "ensure-admin")
    assert len(first.stdout.splitlines()) == 1
    assert len(first.stdout.strip()) >= 20
    assert (first.exit_code, second.exit_code, second.stdout) == (0, 0, "")
    (entry,) = Rows(app).rows(select(AuditEntry))
    assert (entry.action, json.loads(entry.after or "")["role"]) == ("user.create", "admin")


def test_nothing_is_printed_when_the_admin_password_is_set(make_app: MakeApp) -> None:
    app = make_app(admin_password=PASSWORD, admin_email="Boss@example.test")
    app.cli.add_command(users_cli)
    result = app.test_cli_runner().invoke(args=["users", "ensure-admin"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert Visitor(app).login("boss@example.test").status_code == 302


@ON_EACH_DATABASE
def test_one_admin_and_one_salt_are_made_when_machines_start_at_once(app: APIFlask) -> None:
    database = database_of(app)

    def start(number: int) -> str:
        with app.app_context():
            ensure_admin(database, f"admin{number}@example.test", PASSWORD, actor=SETUP)
        return stored_secret(database, "raced")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(start, range(8)))) == 1
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(User)) == 1


def test_the_salt_is_the_same_when_the_application_starts_again(
    app: APIFlask, make_app: MakeApp
) -> None:
    add_user(app)
    again = make_app(secret_key="another key of sixteen or more")
    assert stored_secret(database_of(again), "password_salt") == app.extensions["password_salt"]


def test_the_application_can_be_made_when_there_are_no_tables_yet(tmp_path: Path) -> None:
    app = create_app(settings_in(tmp_path))
    assert app.test_client().get("/healthz").status_code == 200


def test_a_user_is_kept_out_when_deactivated(app: APIFlask, run: Run) -> None:
    email, visitor = add_user(app), Visitor(app)
    visitor.login(email)
    assert run("users", "deactivate", "--email", email).exit_code == 0
    assert not visitor.is_logged_in()
