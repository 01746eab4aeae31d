"""The table of states: complete, closed, and without a way back from removal."""

from webapp.models.states import TRANSITIONS, PartitionState, sources_of


def test_every_state_has_its_followers() -> None:
    assert set(TRANSITIONS) == set(PartitionState)


def test_sources_are_the_table_read_backwards() -> None:
    for source, following in TRANSITIONS.items():
        for target in PartitionState:
            assert (source in sources_of(target)) == (target in following)


def test_a_departure_is_called_back_or_ends_for_good() -> None:
    assert TRANSITIONS[PartitionState.REMOVING] == {PartitionState.PENDING, PartitionState.REMOVED}
    assert TRANSITIONS[PartitionState.REMOVED] == set()


def test_only_a_worker_that_holds_the_row_or_milvus_s_list_makes_it_ready() -> None:
    listed_again = PartitionState.MISSING
    assert sources_of(PartitionState.READY) == {PartitionState.PROVISIONING, listed_again}
    assert sources_of(listed_again) == {PartitionState.READY}


def test_deletion_is_possible_from_every_living_state() -> None:
    gone = {PartitionState.REMOVING, PartitionState.REMOVED}
    assert sources_of(PartitionState.REMOVING) == set(PartitionState) - gone
