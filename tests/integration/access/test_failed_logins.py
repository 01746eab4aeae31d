"""What is kept of logins that fail: who was named, from where, and why; never a password."""

import json
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import select
from structlog.testing import capture_logs

from tests.access import (
    PASSWORD,
    SETUP,
    Rows,
    Visitor,
    add_token,
    add_user,
    database_of,
    new_address,
)
from webapp.auth.roles import Role
from webapp.auth.tokens import revoke_token
from webapp.auth.users import change_user
from webapp.models.audit import AuditEntry

ANYBODY = "somebody@example.test"


def failed(app: APIFlask) -> list[AuditEntry]:
    chosen = select(AuditEntry).where(AuditEntry.action == "user.login_failed")
    return Rows(app).rows(chosen.order_by(AuditEntry.id))


def after(entry: AuditEntry) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(entry.after or "{}")
    return told


def events(logs: list[Any], name: str) -> list[Any]:
    return [line for line in logs if line["event"] == name]


def test_who_was_named_from_where_and_why_is_kept_when_a_login_fails(app: APIFlask) -> None:
    known, inactive = add_user(app), add_user(app)
    with app.app_context():
        change_user(database_of(app), inactive, actor=SETUP, active=False)
    tries = [(known, "wrong one"), (ANYBODY, "wrong one"), (inactive, PASSWORD), (known, "")]
    address = new_address()
    with capture_logs() as logs:
        for email, password in tries:
            Visitor(app, address).login(email, password)
    outcomes = ["wrong_password", "unknown_user", "deactivated", "incomplete"]
    entries = failed(app)
    assert [after(entry)["outcome"] for entry in entries] == outcomes
    assert [entry.target for entry in entries] == [f"user {email}" for email, _ in tries]
    assert {(entry.actor, entry.address, entry.via) for entry in entries} == {
        ("anonymous", address, "panel")
    }
    assert all(entry.request_id for entry in entries)
    told = events(logs, "auth.login.failed")
    assert [(line["email"], line["outcome"]) for line in told] == [
        (email, outcome) for (email, _), outcome in zip(tries, outcomes, strict=True)
    ]
    assert "wrong one" not in str(logs) + str([vars(entry) for entry in entries])


def test_what_is_no_address_is_kept_nowhere_when_it_was_typed_as_one(app: APIFlask) -> None:
    for typed in (
        *("correct horse battery", "P@ssw0rd!", "p@ss.w0rd", "x" * 400 + "@example.test"),
        *("a\x1b[31m@example.test", "a\u202e@example.test"),
    ):
        with capture_logs() as logs:
            Visitor(app).login(typed, "wrong one")
        assert failed(app)[-1].target is None, typed
        assert typed not in str(logs)


def test_the_first_refusal_of_a_minute_is_kept_when_the_limit_is_reached(app: APIFlask) -> None:
    email = add_user(app)
    with capture_logs() as logs:
        for _ in range(14):
            Visitor(app).login(email, "wrong one")
    outcomes = [after(entry)["outcome"] for entry in failed(app)]
    assert outcomes == ["wrong_password"] * 10 + ["limited"]
    told = [line["outcome"] for line in events(logs, "auth.login.failed")]
    assert told == ["wrong_password"] * 10 + ["limited"] * 4


def test_entries_are_few_and_say_how_many_when_one_address_goes_on_for_long(
    app: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.auth.login_limits.GUESSES", 1000)
    address = new_address()
    for number in range(70):
        Visitor(app, address).login(f"n{number}@example.test", "wrong one")
    attempts = [after(entry)["attempts"] for entry in failed(app)]
    assert attempts == [*range(1, 11), 16, 32, 64]


def test_entries_are_bounded_when_every_guess_comes_from_elsewhere(
    app: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.auth.login_failures.FIRST_OF_ALL", 5)
    for number in range(40):
        Visitor(app).login(f"n{number}@example.test", "wrong one")
    assert [entry.target for entry in failed(app)] == [
        f"user n{number - 1}@example.test" for number in (*range(1, 6), 8, 16, 32)
    ]


def test_the_audit_page_says_it_in_words_when_a_login_failed(app: APIFlask) -> None:
    Visitor(app).login(ANYBODY, "wrong one")
    reader = Visitor(app)
    reader.login(add_user(app, Role.OPERATOR))
    page = reader.get("/admin/audit/").text
    for words in ("Login failed", "anonymous", "there is no such user", "somebody@"):
        assert words in page


def test_the_log_says_so_when_a_token_is_wrong_or_revoked(app: APIFlask) -> None:
    secret = add_token(app, name="ci")
    revoke_token(database_of(app), "ci", actor=SETUP)
    visitor = Visitor(app)
    with capture_logs() as logs:
        for sent in (secret, "par_wrong"):
            answer = visitor.get("/api/tenants", headers={"Authorization": f"Bearer {sent}"})
            assert answer.status_code == 401
        visitor.get("/api/tenants")
    told = [(line["token"], line["address"]) for line in events(logs, "auth.token.refused")]
    assert told == [
        ("ci", visitor.environ["REMOTE_ADDR"]),
        (None, visitor.environ["REMOTE_ADDR"]),
    ]
    assert secret not in str(logs) and "par_wrong" not in str(logs)
