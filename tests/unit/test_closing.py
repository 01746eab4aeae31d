"""Who may still connect while gunicorn's master stops."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from launch import closing

ALONE = {"systemd": False, "reexec_pid": 0, "master_pid": 0}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def connects(listener: socket.socket) -> bool:
    try:
        socket.create_connection(listener.getsockname(), timeout=0.2).close()
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("kept_by", [None, *ALONE])
def test_nobody_connects_any_more_when_no_other_process_keeps_the_port(
    kept_by: str | None, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "CONNECTED_WITHIN_S", 0)
    stopped: list[bool] = []
    master = SimpleNamespace(**ALONE, LISTENERS=[listener], stop=stopped.append)
    if kept_by:
        setattr(master, kept_by, 4711)
    closing.close_without_loss(master)
    assert connects(listener)
    master.stop()
    assert (connects(listener), stopped) == (kept_by is not None, [True])
