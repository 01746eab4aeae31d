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
# Who may not is refused by rules that `test_doors` holds; who may meets all of the rest, and of
# the databases it is PostgreSQL that refuses more.
FEW = [("postgresql", Role.OPERATOR)]


@pytest.mark.timeout(0 if EXAMPLES else 300)
@pytest.mark.parametrize(
    ("settings", "role"), EVERY if EXAMPLES else FEW, indirect=["settings"], scope="module"
)
def test_every_answer_is_as_described(
    app: APIFlask, server: str, role: Role | None, capsys: pytest.CaptureFixture[str]
) -> None:
    found = fuzz(app, server, role, examples=EXAMPLES)
    if EXAMPLES:
        with capsys.disabled():
            print(f"\n{role or 'nobody'}: {found}")
    assert not found.failures, str(found)
