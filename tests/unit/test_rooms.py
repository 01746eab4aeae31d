"""The rooms in CONTRIBUTING.md are those of the contract that import-linter checks."""

from tests import rooms

STALE = "run .venv/bin/python -m tests.rooms"


def test_table_of_rooms_is_that_of_the_import_contract() -> None:
    assert rooms.parted()[1] == rooms.table(), STALE


def test_picture_of_rooms_is_that_of_the_import_contract() -> None:
    assert rooms.PICTURE.read_text("utf-8") == rooms.picture(), STALE


def test_every_room_says_what_it_holds() -> None:
    assert [line for line in rooms.table().splitlines() if line.endswith("|  |")] == []
