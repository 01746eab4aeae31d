"""The API does what its description says, whatever is sent to it.

The suite makes a few calls, the same ones each time; `make fuzz EXAMPLES=300` makes others, in
every role on both databases, and prints how many.
"""

import os

import pytest
from apiflask import APIFlask

from tests.integration.api.fuzzing import fuzz
from webapp.auth.roles import Role

EXAMPLES = int(os.environ.get("PARATIA_FUZZ_EXAMPLES", "0")) or None
EVERY = [(database, role) for database in ("sqlite", "postgresql") for role in (None, *Role)]
# Who may not is refused by rules that `test_doors` holds; who may meets all of the rest.
FEW = [(database, Role.OPERATOR) for database in ("sqlite", "postgresql")]


@pytest.mark.timeout(0 if EXAMPLES else 300)
@pytest.mark.parametrize(
    ("settings", "role"), EVERY if EXAMPLES else FEW, indirect=["settings"], scope="module"
)
def test_every_answer_is_as_described(
    app: APIFlask, server: str, role: Role | None, capsys: pytest.CaptureFixture[str]
) -> None:
    # The edges do not depend on the role, and whoever may change things meets all of them.
    edges = bool(EXAMPLES) or (
        role is Role.OPERATOR and app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite")
    )
    found = fuzz(app, server, role, examples=EXAMPLES, edges=edges)
    if EXAMPLES:
        with capsys.disabled():
            print(f"\n{role or 'nobody'}: {found}")
    assert not found.failures, str(found)
