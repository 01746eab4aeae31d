"""`flask users …` and `flask tokens …`."""

import json
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from webapp import current
from webapp.auth import login, tokens, users
from webapp.auth.emails import InvalidEmail, normalized
from webapp.auth.models import ApiToken, User
from webapp.auth.roles import Role
from webapp.db.session import Database
from webapp.logs import configure_logging
from webapp.settings import Settings
from webapp.texts import UnusableText, clean_text

MAX_TOKEN_NAME_LENGTH = 100

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
EMAIL = click.option(
    "--email", required=True, callback=lambda _context, _option, value: _email(value)
)
ROLE = click.option("--role", required=True, type=click.Choice([str(role) for role in Role]))


@click.group("users", cls=AppGroup)
@with_appcontext
def users_cli() -> None:
    """Users of the admin panel."""
    _log_to_stderr()
    current.database()
    if "security" not in current_app.extensions:
        # Flask-Security hashes the passwords; an application for commands is made without it.
        login.init_app(current.app())


@click.group("tokens", cls=AppGroup)
@with_appcontext
def tokens_cli() -> None:
    """Tokens for the API."""
    _log_to_stderr()


def _log_to_stderr() -> None:
    # Only results go to stdout, so that scripts can read them.
    configure_logging(current_app.extensions["settings"], "stderr")


def _email(value: str) -> str:
    try:
        return normalized(value)
    except InvalidEmail as error:
        raise click.BadParameter(str(error), param_hint="--email") from error


def _name(_context: Any, _option: Any, value: str) -> str:
    try:
        return clean_text(value, MAX_TOKEN_NAME_LENGTH)
    except UnusableText as error:
        raise click.BadParameter(str(error), param_hint="--name") from error


def _password(_context: Any, _option: Any, value: str | None) -> str | None:
    if value is not None and len(value) < users.MIN_PASSWORD:
        raise click.BadParameter(
            f"must have at least {users.MIN_PASSWORD} characters", param_hint="--password"
        )
    return value


PASSWORD = click.option(
    "--password", callback=_password, help="Generated and printed when left out."
)


def _database() -> Database:
    return current.database()


@users_cli.command("create")
@EMAIL
@ROLE
@PASSWORD
def create_user(email: str, role: str, password: str | None) -> None:
    """Make a user. A generated password is printed once, alone on the last line."""
    secret = password or users.generated_password()
    try:
        users.create_user(_database(), email, Role(role), secret, actor=current.command_line())
    except users.EmailTaken as error:
        raise click.BadParameter(str(error), param_hint="--email") from error
    click.echo(f"{role} {email} was created.", err=True)
    if password is None:
        click.echo(secret)


@users_cli.command("ensure-admin")
def ensure_admin() -> None:
    """Make the first admin from ADMIN_EMAIL and ADMIN_PASSWORD, unless there is an admin.

    Prints nothing but a generated password.
    """
    settings: Settings = current_app.extensions["settings"]
    password = settings.admin_password or users.generated_password()
    try:
        admin = users.ensure_admin(
            _database(), settings.admin_email, password, actor=current.command_line()
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


def _change(email: str, **changes: Any) -> None:
    try:
        users.change_user(_database(), email, actor=current.command_line(), **changes)
    except users.UserUnknown as error:
        raise click.BadParameter(str(error), param_hint="--email") from error


@users_cli.command("list")
@AS_JSON
def list_users(as_json: bool) -> None:
    """The users and their roles."""
    rows = [_user_row(user) for user in users.list_users(_database())]
    _print(rows, as_json)


@tokens_cli.command("create")
@click.option("--name", required=True, callback=_name)
@ROLE
def create_token(name: str, role: str) -> None:
    """Make a token. Its secret is printed once, alone on the last line."""
    try:
        secret = tokens.create_token(_database(), name, Role(role), actor=current.command_line())
    except tokens.TokenNameTaken as error:
        raise click.BadParameter(str(error), param_hint="--name") from error
    click.echo(secret)


@tokens_cli.command("list")
@AS_JSON
def list_tokens(as_json: bool) -> None:
    """The tokens, without their secrets."""
    rows = [_token_row(token) for token in tokens.list_tokens(_database())]
    _print(rows, as_json)


@tokens_cli.command("revoke")
@click.argument("token", required=False)
@click.option("--name", help="The token's name or number.")
def revoke_token(token: str | None, name: str | None) -> None:
    """End a token, given by its name or number."""
    name_or_id = name or token
    if not name_or_id:
        raise click.UsageError("Missing option '--name'.")
    try:
        tokens.revoke_token(_database(), name_or_id, actor=current.command_line())
    except tokens.TokenUnknown as error:
        raise click.BadParameter(str(error), param_hint="--name") from error


def _user_row(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "role": str(user.role),
        "active": user.active,
        "logged_in_at": user.logged_in_at and user.logged_in_at.isoformat(),
    }


def _token_row(token: ApiToken) -> dict[str, Any]:
    moments = {
        name: (moment := getattr(token, name)) and moment.isoformat()
        for name in ("created_at", "last_used_at", "revoked_at")
    }
    return {"id": token.id, "name": token.name, "role": str(token.role), **moments}


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo("  ".join(f"{name}={value}" for name, value in row.items()))
