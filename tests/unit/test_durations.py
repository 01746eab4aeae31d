"""Percentiles out of bins are as near as the bins are narrow."""

import random

import pytest
from webapp.statistics.histogram import FACTOR, bin_of, packed, percentile, unpacked


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("spread", [0.3, 2.0])
def test_a_percentile_is_within_a_bin_of_the_true_one(share: float, spread: float) -> None:
    dice = random.Random(7)
    took = sorted(dice.lognormvariate(1.0, spread) for _ in range(5_000))
    bins = unpacked("{}")
    bins.update(bin_of(seconds) for seconds in took)
    true = took[max(0, round(share * len(took)) - 1)]
    found = percentile(bins, share)
    assert found is not None
    assert true / FACTOR <= found <= true * FACTOR


def test_there_is_no_percentile_when_nothing_was_measured() -> None:
    assert percentile({}, 0.5) is None


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.0100001, 1.0, 86_400.0, 3_000_000.0])
def test_one_duration_is_told_within_a_bin_whatever_it_is(seconds: float) -> None:
    found = percentile({bin_of(seconds): 1}, 0.95)
    assert found is not None
    assert seconds / FACTOR <= found <= max(0.0101, seconds * FACTOR)


def test_a_histogram_is_the_same_when_it_was_stored() -> None:
    bins = unpacked('{"3": 2, "40": 1}')
    assert unpacked(packed(bins)) == bins == {3: 2, 40: 1}
