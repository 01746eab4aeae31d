"""Roles include those before them."""

import pytest

from webapp.auth.roles import Principal, Role


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.VIEWER, {Role.VIEWER}),
        (Role.OPERATOR, {Role.VIEWER, Role.OPERATOR}),
        (Role.ADMIN, {Role.VIEWER, Role.OPERATOR, Role.ADMIN}),
    ],
)
def test_a_principal_may_what_its_role_includes_when_asked(role: Role, allowed: set[Role]) -> None:
    principal = Principal("user", 1, "a@b.c", role)
    assert {asked for asked in Role if principal.may(asked)} == allowed


def test_an_actor_names_kind_and_name_when_written_down() -> None:
    assert Principal("token", 1, "ci", Role.VIEWER).actor == "token:ci"
    assert Principal("user", 1, "a@b.c", Role.VIEWER).actor == "user:a@b.c"
