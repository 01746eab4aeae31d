"""Charts put what is more higher, and label what people can read."""

from datetime import UTC, datetime, timedelta

import pytest

from webapp.admin.overview import plot

AT = datetime(2026, 3, 1, 10, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("most", "labels"),
    [(0, [0, 1]), (1, [0, 1]), (3, [0, 1, 2, 3]), (7, [0, 2, 4, 6, 8]), (900, [0, 500, 1000])],
)
def test_counts_have_few_round_labels(most: int, labels: list[int]) -> None:
    axis = plot.counting_axis(most)
    assert [tick.value for tick in axis] == labels
    assert (axis[0].place, axis[-1].place) == (100, 0)


@pytest.mark.parametrize(
    ("least", "most"), [(0.001, 0.002), (0.5, 0.5), (1.0, 1.0), (2.0, 4000.0), (9e6, 9e9)]
)
def test_every_duration_is_between_two_labels(least: float, most: float) -> None:
    axis = plot.duration_axis(least, most)
    assert 2 <= len(axis.ticks) <= plot.MOST_Y_TICKS
    assert 0 <= axis.place(most) <= axis.place(least) <= 100


def test_a_line_is_broken_where_nothing_is_known() -> None:
    places = [10.0, 20.0, None, 30.0]
    assert plot.line(places) == "M12.5 10.0L37.5 20.0M87.5 30.0"
    assert plot.dots(places).count("h0") == 3


def test_bars_stand_where_their_bucket_is() -> None:
    (bar,) = plot.bars([(0, 0), (3, 1)], top=4)
    assert (bar.height, bar.failed) == (75, 25)
    assert 50 <= bar.x < bar.x + bar.width <= 100


def test_times_on_the_axis_are_round() -> None:
    hour = list(plot.time_axis(AT, timedelta(hours=1), timedelta(minutes=15)))
    assert [f"{tick.at:%H:%M}" for tick in hour] == ["10:15", "10:30", "10:45", "11:00"]
    assert [round(tick.place) for tick in hour] == [13, 38, 63, 88]
    week = list(plot.time_axis(AT, timedelta(days=7), timedelta(days=1)))
    assert {f"{tick.at:%H:%M}" for tick in week} == {"00:00"}
