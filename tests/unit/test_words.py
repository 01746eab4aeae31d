"""How the panel says figures and moments, in the language of the page."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import render_template_string
from flask_babel import force_locale

from webapp.admin.wording.labels import BADGES, CAUSES, RETRY_HELPS
from webapp.admin.wording.times import ago_tag, clock_tag, full_tag, remaining
from webapp.admin.wording.units import decimal, number, percentage, rows, took
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.states import PartitionState

MOMENT = datetime(2026, 11, 3, 14, 5, 7, 250_000, tzinfo=UTC)


pytestmark = pytest.mark.usefixtures("speaking")


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


def test_numbers_are_grouped_as_the_language_groups_them() -> None:
    assert (number(1_234_567), decimal(1234.5), percentage(82)) == ("1,234,567", "1,234.5", "82%")
    assert rows(12_345) == "12,345 rows"
    drawn = render_template_string("{{ ngettext('%(num)s <x>', '%(num)s <b>', 4321) }}")
    assert drawn == "4,321 <b>"
    with force_locale("it"):
        assert (number(1_234_567), decimal(1234.5)) == ("1.234.567", "1.234,5")
        assert took(1461) == "1,5 s"


def test_a_moment_carries_its_exact_time_when_shown() -> None:
    tag = clock_tag(MOMENT)
    assert 'datetime="2026-11-03T14:05:07.250+00:00"' in tag
    assert 'title="3 Nov 2026, 14:05:07 UTC"' in tag
    assert 'data-local="time">14:05:07 UTC<' in tag
    assert "<time" not in clock_tag(None)


def test_how_long_ago_is_a_sentence_when_the_word_is_asked_for() -> None:
    moment = utc_now() - timedelta(minutes=38, seconds=5)
    assert ">38 min<" in ago_tag(moment)
    assert ">38 min ago<" in ago_tag(moment, " ago")


def test_dates_name_the_month_as_the_language_does() -> None:
    with force_locale("it"):
        assert ">3 mag 2026, 00:00:00 UTC<" in full_tag(datetime(2026, 5, 3, tzinfo=UTC))


def test_every_state_and_cause_has_words() -> None:
    assert set(BADGES) == set(PartitionState)
    assert set(CAUSES) == set(RETRY_HELPS) == set(Cause)
