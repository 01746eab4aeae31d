"""`flask users …` and `flask tokens …`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from webapp import current
from webapp.auth import login, tokens, users
from webapp.auth.emails import InvalidEmail, normalized
from webapp.auth.erasure import LastAdmin, erase_user
from webapp.auth.models import ApiToken, User
from webapp.auth.roles import Role
from webapp.cli.console import as_json, print_json, refuse
from webapp.logs import configure_logging
from webapp.texts import UnusableText, clean_text

MAX_TOKEN_NAME_LENGTH = 100

ROLE = click.option("--role", required=True, type=click.Choice([str(role) for role in Role]))


@click.group("users", cls=AppGroup)
@with_appcontext
def users_cli() -> None:
    """Users of the admin panel."""
    # Only results go to stdout, so that scripts can read them.
    configure_logging(current.settings(), "stderr")
    prepare_passwords()


def prepare_passwords() -> None:
    """Let passwords be hashed in an application for commands."""
    current.database()
    if "security" not in current_app.extensions:
        # Flask-Security hashes the passwords; an application for commands is made without it.
        login.init_app(current.app())


@click.group("tokens", cls=AppGroup)
@with_appcontext
def tokens_cli() -> None:
    """Tokens for the API."""
    # Only results go to stdout, so that scripts can read them.
    configure_logging(current.settings(), "stderr")


@contextmanager
def _blaming(option: str, *errors: type[Exception]) -> Iterator[None]:
    """Turns these errors into bad usage of the option."""
    try:
        yield
    except errors as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _email(_context: Any, _option: Any, value: str) -> str:
    with _blaming("--email", InvalidEmail):
        return normalized(value)


def _name(_context: Any, _option: Any, value: str) -> str:
    with _blaming("--name", UnusableText):
        return clean_text(value, MAX_TOKEN_NAME_LENGTH)


def _password(_context: Any, _option: Any, value: str | None) -> str | None:
    if value is not None and len(value) < users.MIN_PASSWORD:
        raise click.BadParameter(
            f"must have at least {users.MIN_PASSWORD} characters", param_hint="--password"
        )
    return value


EMAIL = click.option("--email", required=True, callback=_email)
PASSWORD = click.option(
    "--password", callback=_password, help="Generated and printed when left out."
)


@users_cli.command("create")
@EMAIL
@ROLE
@PASSWORD
def create_user(email: str, role: str, password: str | None) -> None:
    """Make a user. A generated password is printed once, alone on the last line."""
    secret = password or users.generated_password()
    actor = current.command_line()
    with _blaming("--email", users.EmailTaken):
        users.create_user(current.database(), email, Role(role), secret, actor=actor)
    click.echo(f"{role} {email} was created.", err=True)
    if password is None:
        click.echo(secret)


@users_cli.command("ensure-admin")
def ensure_admin() -> None:
    """Make the first admin from ADMIN_EMAIL and ADMIN_PASSWORD, unless there is an admin.

    Prints nothing but a generated password.
    """
    settings = current.settings()
    password = settings.admin_password or users.generated_password()
    try:
        admin = users.ensure_admin(
            current.database(), settings.admin_email, password, actor=current.command_line()
        )
    except (InvalidEmail, users.EmailTaken) as error:
        raise click.UsageError(f"ADMIN_EMAIL {error}") from error
    if admin and not settings.admin_password:
        click.echo(password)


@users_cli.command("set-role")
@EMAIL
@ROLE
def set_role(email: str, role: str) -> None:
    """Give a user another role; they have to log in again."""
    _change(email, role=Role(role))


@users_cli.command("set-password")
@EMAIL
@PASSWORD
def set_password(email: str, password: str | None) -> None:
    """Give a user another password; they have to log in again."""
    secret = password or users.generated_password()
    _change(email, password=secret)
    if password is None:
        click.echo(secret)


@users_cli.command("deactivate")
@EMAIL
def deactivate(email: str) -> None:
    """Keep a user out, at once."""
    _change(email, active=False)


@users_cli.command("activate")
@EMAIL
def activate(email: str) -> None:
    """Let a deactivated user in again."""
    _change(email, active=True)


@users_cli.command("erase")
@EMAIL
@click.option(
    "--address",
    "addresses",
    multiple=True,
    help="Remove this address everywhere too, such as login@host in entries of commands.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(email: str, addresses: Sequence[str], yes: bool) -> None:
    """Erase a person: their e-mail address and the addresses that they came from.

    Entries stay, under a pseudonym, which is printed alone on the last line. Logs, backups and the
    files of the archive are not changed. If it is interrupted, run it again.
    """
    if not yes:
        _ask(f"{email} cannot log in any more, and is replaced by a pseudonym everywhere.")
    database, actor = current.database(), current.command_line()
    with _blaming("--email", LastAdmin):
        erased = erase_user(database, email, addresses, actor=actor)
    click.echo(
        f"Changed {erased.rows} rows. Logs, backups and the archive are not changed.", err=True
    )
    click.echo(erased.pseudonym)


def _ask(what: str) -> None:
    """Require a human's confirmation at a terminal."""
    click.echo(f"{what} This cannot be undone.", err=True)
    if not sys.stdin.isatty():
        refuse("this is no terminal, so nothing can be asked; say --yes")
    click.confirm("Erase this person?", abort=True, err=True)


def _change(email: str, **changes: Any) -> None:
    with _blaming("--email", users.UserUnknown):
        users.change_user(current.database(), email, actor=current.command_line(), **changes)


@users_cli.command("list")
@as_json
def list_users(as_json: bool) -> None:
    """The users and their roles."""
    columns = ("id", "email", "role", "active", "logged_in_at")
    _print(users.list_users(current.database()), columns, as_json)


@tokens_cli.command("create")
@click.option("--name", required=True, callback=_name)
@ROLE
def create_token(name: str, role: str) -> None:
    """Make a token. Its secret is printed once, alone on the last line."""
    actor = current.command_line()
    with _blaming("--name", tokens.TokenNameTaken):
        click.echo(tokens.create_token(current.database(), name, Role(role), actor=actor))


@tokens_cli.command("list")
@as_json
def list_tokens(as_json: bool) -> None:
    """The tokens, without their secrets."""
    columns = ("id", "name", "role", "created_at", "last_used_at", "revoked_at")
    _print(tokens.list_tokens(current.database()), columns, as_json)


@tokens_cli.command("revoke")
@click.argument("token", required=False)
@click.option("--name", help="The token's name or number.")
def revoke_token(token: str | None, name: str | None) -> None:
    """End a token, given by its name or number."""
    name_or_id = name or token
    if not name_or_id:
        refuse("Missing option '--name'.")
    with _blaming("--name", tokens.TokenUnknown):
        tokens.revoke_token(current.database(), name_or_id, actor=current.command_line())


def _print(rows: Sequence[User | ApiToken], columns: Sequence[str], as_json: bool) -> None:
    shown = [{name: _plain(getattr(row, name)) for name in columns} for row in rows]
    if as_json:
        print_json(shown)
        return
    for each in shown:
        click.echo("  ".join(f"{name}={value}" for name, value in each.items()))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
