"""API tokens: who they are of, and what is kept of them; test_doors.py says what they open."""

import hashlib
from datetime import timedelta

import pytest
from apiflask import APIFlask
from sqlalchemy import select, update

from tests.access import ON_EACH_DATABASE, SETUP, Rows, Visitor, add_token, database_of
from webapp.auth.models import ApiToken
from webapp.auth.principal import current_principal
from webapp.auth.roles import Role
from webapp.auth.tokens import TokenNameTaken, authenticate, create_token, revoke_token
from webapp.db.types import utc_now


def stored(app: APIFlask) -> ApiToken:
    (token,) = Rows(app).rows(select(ApiToken))
    return token


def test_the_principal_has_name_and_role_when_a_token_is_sent(app: APIFlask) -> None:
    secret = add_token(app, Role.OPERATOR, "ci")
    with app.test_request_context("/api/x", headers={"Authorization": f"Bearer {secret}"}):
        principal = current_principal()
    assert principal is not None
    assert (principal.actor, principal.role) == ("token:ci", Role.OPERATOR)


def test_only_a_hash_is_kept_when_a_token_is_made(app: APIFlask) -> None:
    secret = add_token(app)
    assert len(secret.removeprefix("par_")) == 43  # 32 bytes in base64
    assert stored(app).digest == hashlib.sha256(secret.encode()).hexdigest()
    assert all(secret not in str(value) for value in vars(stored(app)).values())


def test_nobody_is_known_when_the_header_is_unusable_or_the_token_revoked(app: APIFlask) -> None:
    secret = add_token(app, name="ci")
    revoke_token(database_of(app), "ci", actor=SETUP)
    with app.app_context():
        for header in (None, "", "Bearer", "Bearer ", "Bearer x", "Basic eDp5", "é"):
            assert authenticate(header) is None, header
        assert authenticate(f"Bearer {secret}") is None


@ON_EACH_DATABASE
def test_the_name_is_taken_when_a_live_token_has_it(app: APIFlask) -> None:
    add_token(app, name="ci")
    with pytest.raises(TokenNameTaken):
        create_token(database_of(app), "ci", Role.VIEWER, actor=SETUP)
    revoke_token(database_of(app), "ci", actor=SETUP)
    assert create_token(database_of(app), "ci", Role.VIEWER, actor=SETUP)


def test_the_last_use_is_kept_to_the_minute_when_a_token_is_used_often(app: APIFlask) -> None:
    secret = add_token(app)
    with app.app_context():
        authenticate(f"Bearer {secret}")
        first = stored(app).last_used_at
        authenticate(f"Bearer {secret}")
        assert stored(app).last_used_at == first is not None
        long_ago = utc_now() - timedelta(minutes=2)
        Rows(app).execute(update(ApiToken).values(last_used_at=long_ago))
        authenticate(f"Bearer {secret}")
        assert stored(app).last_used_at > long_ago


def test_the_session_is_not_used_when_a_bad_token_is_sent(visitor: Visitor) -> None:
    visitor.enter(Role.ADMIN)
    answer = visitor.get("/api/nothing", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
