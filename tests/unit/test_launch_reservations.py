"""Ports, sockets and the folder of a run are taken from nobody."""

import errno
import os
import socket
import tempfile
from pathlib import Path

import pytest

from launch import reservations
from launch.errors import StartError
from webapp.settings import Settings
from webapp.var_dir import remember


def long_folder(tmp_path: Path) -> Path:
    folder = tmp_path / ("long-" * 25)
    folder.mkdir()
    return folder


def test_another_milvus_port_is_remembered_when_the_last_one_is_taken(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = stranger.getsockname()[1]
        remember(tmp_path / "milvus.port", str(taken))
        with reservations.milvus_port(settings) as port:
            assert port != taken
            assert settings.milvus_address == f"http://127.0.0.1:{port}"


def test_same_milvus_port_is_kept_when_it_is_free_again(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)
    remember(tmp_path / "milvus.port", "20001")
    with reservations.milvus_port(settings) as first:
        pass
    with reservations.milvus_port(settings) as second:
        assert second == first


def test_two_runs_get_two_milvus_ports_when_they_start_at_once(tmp_path: Path) -> None:
    one, other = Settings(var_dir=tmp_path / "a"), Settings(var_dir=tmp_path / "b")
    one.var_dir.mkdir()
    other.var_dir.mkdir()
    # No server listens on either port yet.
    with reservations.milvus_port(one) as first, reservations.milvus_port(other) as second:
        assert first != second


def test_the_start_names_host_or_port_when_the_panel_cannot_listen() -> None:
    # For documentation alone (RFC 5737): no machine has it.
    with pytest.raises(StartError, match=r"192\.0\.2\.1.*Set HOST to an address of this machine"):
        reservations.require_web_port("192.0.2.1", 8000)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(StartError, match=r"another program\. Set PORT to a free one"):
            reservations.require_web_port("127.0.0.1", other.getsockname()[1])


def test_redis_socket_is_in_the_folder_when_its_path_is_short(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)
    reservations.settle_redis_socket(settings)
    assert settings.redis_socket == tmp_path / "redis.sock"


def test_redis_socket_is_private_and_kept_when_the_folder_is_too_long(tmp_path: Path) -> None:
    settings = Settings(var_dir=long_folder(tmp_path))
    reservations.settle_redis_socket(settings)
    first = settings.redis_socket
    reservations.settle_redis_socket(settings)
    assert settings.redis_socket == first
    assert len(os.fsencode(first)) <= 100
    assert first.parent.stat().st_mode & 0o077 == 0
    first.parent.rmdir()


def test_another_private_folder_is_made_when_the_last_one_is_open_to_others(
    tmp_path: Path,
) -> None:
    settings = Settings(var_dir=long_folder(tmp_path))
    reservations.settle_redis_socket(settings)
    first = settings.redis_socket
    first.parent.chmod(0o777)
    reservations.settle_redis_socket(settings)
    assert settings.redis_socket != first
    first.parent.rmdir()
    settings.redis_socket.parent.rmdir()


def test_run_is_refused_when_the_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StartError, match="VAR_DIR"),
        reservations.only_run(tmp_path / "file" / "var"),
    ):
        pass


def test_the_start_names_the_folder_when_its_path_is_too_long_and_tmp_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_options: str) -> str:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(StartError, match=r"VAR_DIR .*Read-only file system.*shorter path"):
        reservations.settle_redis_socket(Settings(var_dir=long_folder(tmp_path)))
