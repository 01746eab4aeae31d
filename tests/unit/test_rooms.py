"""The table of rooms in CONTRIBUTING.md is the contract's, which import-linter keeps."""

from tests import rooms


def test_table_of_rooms_is_that_of_the_import_contract() -> None:
    assert rooms.parted()[1] == rooms.table(), "run .venv/bin/python -m tests.rooms"


def test_every_room_says_what_it_holds() -> None:
    assert [line for line in rooms.table().splitlines() if line.endswith("|  |")] == []
