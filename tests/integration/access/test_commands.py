"""`flask users` and `flask tokens`: results on stdout, refusals with the option's name."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from apiflask import APIFlask
from click.testing import Result
from sqlalchemy import func, select

from tests.access import PASSWORD, SETUP, Visitor, add_user, database_of
from tests.integration.access.conftest import new_address
from webapp.auth.models import User
from webapp.auth.roles import Role
from webapp.auth.tokens import authenticate
from webapp.auth.users import ensure_admin
from webapp.cli.access import tokens_cli, users_cli

Run = Callable[..., Result]


@pytest.fixture
def run(app: APIFlask) -> Run:
    app.cli.add_command(users_cli)
    app.cli.add_command(tokens_cli)
    return lambda *words: app.test_cli_runner().invoke(args=list(words))


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
    visitor = Visitor(app, new_address())
    assert visitor.login("new@example.test", password).status_code == 302


def test_only_the_password_is_printed_when_the_first_admin_is_made(run: Run) -> None:
    first, second = run("users", "ensure-admin"), run("users", "ensure-admin")
    assert len(first.stdout.splitlines()) == 1
    assert len(first.stdout.strip()) >= 20
    assert (first.exit_code, second.exit_code, second.stdout) == (0, 0, "")


def test_nothing_is_printed_when_the_admin_password_is_set(
    another_app: Callable[..., APIFlask],
) -> None:
    app = another_app(admin_password=PASSWORD, admin_email="Boss@example.test")
    app.cli.add_command(users_cli)
    result = app.test_cli_runner().invoke(args=["users", "ensure-admin"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert Visitor(app, new_address()).login("boss@example.test").status_code == 302


def test_one_admin_is_made_when_two_machines_start_at_once(app: APIFlask) -> None:
    def start(number: int) -> None:
        with app.app_context():
            ensure_admin(database_of(app), f"admin{number}@example.test", PASSWORD, actor=SETUP)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    with database_of(app).reading() as session:
        assert session.scalar(select(func.count()).select_from(User)) == 1


def test_a_user_is_kept_out_when_deactivated(app: APIFlask, run: Run) -> None:
    email, visitor = add_user(app), Visitor(app, new_address())
    visitor.login(email)
    assert run("users", "deactivate", "--email", email).exit_code == 0
    assert not visitor.is_logged_in()
