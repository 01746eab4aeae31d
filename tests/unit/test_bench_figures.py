"""The figures of the benchmark's tables."""

import pytest

from bench.figures import medians, percentile, ratios
from bench.rounds import interleaved
from bench.table import Column, Table, milliseconds, shown
from bench.web import server_size


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


def test_table_has_medians_in_its_units_and_ratios_of_the_same_round() -> None:
    rounds = [
        {"bare": {"rate": 100.0, "p99": 0.01}, "product": {"rate": 50.0, "p99": 0.03}},
        {"bare": {"rate": 400.0, "p99": 0.02}, "product": {"rate": 100.0, "p99": 0.01}},
        {"bare": {"rate": 200.0, "p99": 0.03}, "product": {"rate": 80.0, "p99": 0.02}},
    ]
    columns = (Column("ratio", "rate", limits=("bare",)), milliseconds("p99"))

    table = Table.of_rounds("post", "POST", rounds, columns)

    assert table.rows == {"bare": [1.0, 20.0], "product": [0.4, 20.0]}
    assert (list(table.columns), list(table.drawn)) == (["ratio", "p99 ms"], ["p99 ms"])


def test_each_round_begins_with_another_contender_and_keeps_the_order_of_the_rows() -> None:
    called: list[str] = []

    def measured(name: str) -> dict[str, float]:
        called.append(name)
        return {"rate": float(len(called))}

    rounds = interleaved({name: lambda name=name: measured(name) for name in "abc"}, 2)

    assert "".join(called) == "abcbca"
    assert [list(one) for one in rounds] == [["a", "b", "c"]] * 2
    assert rounds[1]["a"] == {"rate": 6.0}


def test_figure_is_shown_with_three_digits_that_matter() -> None:
    values = (0.0046, 0.92, 1.004, 38.25, 412.3, 10_271.0)
    assert list(map(shown, values)) == ["0.005", "0.920", "1.00", "38.2", "412", "10,271"]


def test_peers_are_served_by_as_many_processes_and_threads_as_the_product() -> None:
    size = server_size()
    assert size.workers > 1
    assert size.threads > 1
