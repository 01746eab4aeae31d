"""What the audit says of users, tokens and logins: who, from where, and no secret."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import Result
from sqlalchemy import select

from tests.access import PASSWORD, SETUP, Rows, Visitor, add_user
from webapp.models.audit import AuditEntry

Run = Callable[..., Result]
EMAIL = "ops@example.test"


def entries(app: APIFlask) -> list[AuditEntry]:
    return Rows(app).rows(select(AuditEntry).order_by(AuditEntry.id))


def audit_rows(app: APIFlask) -> list[tuple[Any, ...]]:
    """Action, target, before and after of all entries."""
    parsed = lambda text: json.loads(text or "{}")  # noqa: E731
    return [(e.action, e.target, parsed(e.before), parsed(e.after)) for e in entries(app)]


def test_before_and_after_without_passwords_are_kept_when_users_change(
    app: APIFlask, run: Run
) -> None:
    secret = run("users", "create", "--email", EMAIL, "--role", "viewer").stdout.strip()
    run("users", "set-role", "--email", EMAIL, "--role", "admin")
    run("users", "set-password", "--email", EMAIL, "--password", "another long one")
    run("users", "deactivate", "--email", EMAIL)
    target = f"user {EMAIL}"
    assert audit_rows(app) == [
        ("user.create", target, {}, {"role": "viewer", "active": True}),
        ("user.change", target, {"role": "viewer"}, {"role": "admin"}),
        ("user.change", target, {}, {"password": "changed"}),
        ("user.change", target, {"active": True}, {"active": False}),
    ]
    kept = " ".join(f"{each.before} {each.after}" for each in entries(app))
    for hidden in (secret, "another long one", "argon2"):
        assert hidden not in kept
    who = entries(app)[0]
    assert (who.actor, who.via) == ("cli", "cli")
    assert "@" in (who.address or "")


def test_nothing_is_kept_when_there_is_no_such_user(app: APIFlask, run: Run) -> None:
    assert run("users", "set-role", "--email", EMAIL, "--role", "admin").exit_code == 2
    assert run("tokens", "revoke", "--name", "nobody").exit_code == 2
    assert entries(app) == []


def test_the_secret_is_not_kept_when_tokens_are_made_and_revoked(app: APIFlask, run: Run) -> None:
    secret = run("tokens", "create", "--name", "ci", "--role", "operator").stdout.strip()
    run("tokens", "revoke", "--name", "1")
    assert audit_rows(app) == [
        ("token.create", "token ci", {}, {"role": "operator"}),
        ("token.revoke", "token ci", {"role": "operator"}, {}),
    ]
    assert secret not in str(audit_rows(app))


def test_who_came_from_where_is_kept_when_they_log_in_and_out(visitor: Visitor) -> None:
    email = add_user(visitor.app)
    visitor.login(email, "not the password")
    visitor.login(email, PASSWORD)
    visitor.logout()
    made, refused, entered, left = entries(visitor.app)
    assert made.actor == SETUP.name
    assert (refused.actor, refused.action) == ("anonymous", "user.login_failed")
    for entry, action in ((entered, "user.login"), (left, "user.logout")):
        assert (entry.actor, entry.action, entry.via) == (f"user:{email}", action, "panel")
        assert entry.address == visitor.environ["REMOTE_ADDR"]
        assert entry.request_id


def test_entries_are_printed_when_they_are_asked_for(app: APIFlask, run: Run) -> None:
    run("users", "create", "--email", EMAIL, "--role", "viewer", "--password", PASSWORD)
    run("users", "set-role", "--email", EMAIL, "--role", "admin")
    run("tokens", "create", "--name", "ci", "--role", "viewer")
    words = ("audit", "--action", "user.change", "--since", "1h", "--actor", "cli")
    line = run(*words).stdout
    assert line.endswith(f"user.change  user {EMAIL}  role: viewer -> admin\n")
    (entry,) = json.loads(run(*words, "--json").stdout)
    assert (entry["before"], entry["after"]) == ({"role": "viewer"}, {"role": "admin"})
    latest = json.loads(run("audit", "--limit", "1", "--json").stdout)
    assert [each["action"] for each in latest] == ["token.create"]
    assert json.loads(run("audit", "--until", "2020-01-01", "--json").stdout) == []


@pytest.mark.parametrize("words", ["--since soon", "--via post", "--tenant-id 0", "--limit 0"])
def test_bad_words_are_refused_when_the_audit_is_asked_for(run: Run, words: str) -> None:
    result = run("audit", *words.split())
    assert result.exit_code == 2, result.output
    assert words.split(maxsplit=1)[0] in result.stderr
