"""Which moments are understood, and what becomes of those beyond all times."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.times import EARLIEST, LATEST, UnusableMoment, parse_moment, parse_moment_or_age

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MORNING = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-01T09:30:00Z", "2026-03-01t09:30:00z", "2026-03-01 09:30", " 2026-03-01T09:30 "),
        *("2026-03-01T11:30:00+02:00", "2026-03-01T11:30:00 02:00", "2026-03-01T04:00:00-0530"),
        *("2026-03-01T09:30:00.0Z", "2026-03-01T09:29:60Z", "2026-03-01T09:30:00-00:00"),
    ],
)
def test_a_moment_is_the_same_however_it_is_written(text: str) -> None:
    assert parse_moment(text) == MORNING


def test_a_day_is_its_beginning_when_it_stands_alone() -> None:
    assert parse_moment("2026-03-01") == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "edge"),
    [
        *((f"0001-01-01T00:00:00{zone}", EARLIEST) for zone in ("Z", "+23:59", "-23:59")),
        *((f"9999-12-31T23:59:59{zone}", LATEST) for zone in ("Z", "+23:59", "-23:59")),
        *(("9999-12-31T23:59:60Z", LATEST), ("9999-12-31T23:59:59.999999999Z", LATEST)),
    ],
)
def test_a_moment_is_moved_to_the_edge_when_it_is_beyond_all_times(
    text: str, edge: datetime
) -> None:
    assert parse_moment(text) == edge


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-13-01"),
        *("2026-02-30", "2026-03-01T24:00:00Z", "2026-03-01T09:30:61Z", "20260301"),
        *("2026-03-01T09:30:00+24:00", "2026-03-01T09:30:00Z\n", "2026-03-01T09:30:00\x00"),
        *("٢٠٢٦-03-01", "1772357400"),
    ],
)
def test_a_moment_is_refused_when_nobody_can_tell_it(text: str) -> None:
    with pytest.raises(UnusableMoment, match="RFC 3339"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("text", "before"),
    [
        *(("90m", timedelta(minutes=90)), ("24h", timedelta(days=1)), ("7d", timedelta(days=7))),
        ("99999d", NOW - EARLIEST),
    ],
)
def test_an_age_is_counted_back_from_now(text: str, before: timedelta) -> None:
    assert parse_moment_or_age(text, NOW) == NOW - before


@given(st.datetimes(timezones=st.timezones()))
def test_every_moment_is_read_as_it_was_written(moment: datetime) -> None:
    offset = moment.utcoffset()
    if offset is None or offset.seconds % 60:
        return
    read = parse_moment(moment.isoformat())
    assert EARLIEST <= read <= LATEST
    if EARLIEST.year < moment.year < LATEST.year:
        assert read == moment.astimezone(UTC)


@given(st.text(max_size=30))
def test_no_text_is_worse_than_refused(text: str) -> None:
    with suppress(UnusableMoment):
        assert parse_moment_or_age(text, NOW).tzinfo == UTC
