"""The stored form of selections: each is read as it was written, also by an earlier release."""

import pytest

from webapp.models.causes import Cause
from webapp.models.states import PartitionState
from webapp.operations.selection import Selection

FAILED = Selection(state=PartitionState.FAILED, cause=Cause.TIMEOUT, q="acme", operation_id=7)


@pytest.mark.parametrize("selection", [FAILED, Selection(), Selection(tenant_ids=(3, 1, 3))])
def test_selection_is_read_as_it_was_written(selection: Selection) -> None:
    assert Selection.from_json(selection.as_json()) == selection


def test_selection_is_read_when_an_earlier_release_wrote_it() -> None:
    earlier = '{"state": "failed", "cause": "timeout", "q": "acme", "operation_id": 7}'
    assert Selection.from_json(earlier) == FAILED
    not_requested = Selection.from_json('{"tenant_ids": [1, 2], "without_wish": true}')
    assert not_requested == Selection(tenant_ids=(1, 2), not_requested=True)
