"""The ports of servers that tests start at once."""

import socket

import pytest

from tests.engines import process
from tests.engines.process import reserved_ports


def test_block_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    only(reserved_ports(), monkeypatch)
    with pytest.raises(RuntimeError, match="no hundred free ports"):
        reserved_ports()


def test_block_is_left_out_when_one_of_its_ports_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    block = reserved_ports()
    process._reserved.pop().close()
    only(block, monkeypatch)
    taken = socket.create_server(("127.0.0.1", block[42]))
    with taken, pytest.raises(RuntimeError, match="no hundred free ports"):
        reserved_ports()
    assert reserved_ports() == block


def only(block: range, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be this block and no other."""
    monkeypatch.setattr(process, "BLOCKS", range(block.start, block.stop, len(block)))
