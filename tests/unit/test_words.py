"""How the panel says figures."""

from datetime import timedelta

import pytest

from webapp.admin.words import remaining, took
from webapp.database import utc_now


@pytest.mark.parametrize(
    ("milliseconds", "said"), [(0, "0 ms"), (999, "999 ms"), (1461, "1.5 s"), (10_461, "10 s")]
)
def test_time_taken_has_the_unit_that_matters(milliseconds: int, said: str) -> None:
    assert took(milliseconds) == said


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=7), "6 d 23 h"),
        (timedelta(days=2, seconds=30), "2 d"),
        (timedelta(hours=1, minutes=5, seconds=30), "1 h 5 min"),
        (timedelta(seconds=40.5), "40 s"),
        (timedelta(seconds=-3), "0 s"),
    ],
)
def test_time_left_is_said_in_two_units(left: timedelta, said: str) -> None:
    assert remaining(utc_now() + left) == said
