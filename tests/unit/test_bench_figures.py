"""The figures of the benchmark's tables."""

import pytest

from bench.figures import medians, percentile, ratios


def test_percentile_is_a_measured_value_when_there_are_few() -> None:
    values = [float(number) for number in range(20, 0, -1)]
    shares = (0.0, 0.5, 0.95, 0.99, 1.0)
    assert [percentile(values, share) for share in shares] == [1, 10, 19, 20, 20]


def test_percentile_is_refused_when_nothing_was_measured() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_ratio_compares_within_a_round_when_the_machine_drifts() -> None:
    rounds = [
        {"one": 100.0, "four": 200.0, "product": 100.0},
        {"one": 10.0, "four": 5.0, "product": 9.0},
        {"one": 50.0, "four": 100.0, "product": 80.0},
    ]

    assert ratios(rounds, ("one", "four")) == {"one": 0.5, "four": 1.0, "product": 0.8}
    assert medians(rounds)["product"] == 80.0
