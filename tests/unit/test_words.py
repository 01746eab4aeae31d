"""How the panel says figures."""

import pytest

from webapp.admin.words import took


@pytest.mark.parametrize(
    ("milliseconds", "said"), [(0, "0 ms"), (999, "999 ms"), (1461, "1.5 s"), (10_461, "10 s")]
)
def test_time_taken_has_the_unit_that_matters(milliseconds: int, said: str) -> None:
    assert took(milliseconds) == said
