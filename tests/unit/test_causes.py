"""Causes of failure: the codes that scripts rely on, and advice for each."""

import pytest

from webapp.conditions.kinds import COLLECTION_MISSING
from webapp.models.causes import PERMANENT, TRANSIENT, Cause


def test_codes_are_the_ones_that_scripts_know() -> None:
    assert {cause.value for cause in TRANSIENT} == {
        *("milvus_unreachable", "timeout", "rate_limited", "unexpected"),
    }
    assert {cause.value for cause in PERMANENT} == {
        *("collection_missing", "capacity", "partition_key_mode", "auth", "invalid_name"),
        *("foreign_data", "collection_moved", "collection_replaced", "partitions_gone"),
    }


@pytest.mark.parametrize("cause", list(Cause))
def test_operator_is_told_what_to_do_about_every_cause(cause: Cause) -> None:
    assert cause.advice.meaning.endswith(".")
    assert cause.advice.remedy.endswith(".")
    assert cause.is_transient == (cause in TRANSIENT)


def test_advice_on_a_missing_collection_is_one_and_warns_of_an_empty_one() -> None:
    remedy = Cause.COLLECTION_MISSING.advice.remedy
    assert remedy == COLLECTION_MISSING.what_to_do
    assert remedy.index("find out where it went") < remedy.index("Create it only")
    assert "new installation" in remedy
