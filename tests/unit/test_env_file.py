"""The file `.env`: taken as it is written, or refused with its name and what to do."""

from pathlib import Path

import pytest

from webapp.settings import SettingsError, load_settings
from webapp.settings.env_file import read_env_file

SECRET = "canary-7f3a9"


def env_file(folder: Path, content: bytes | str) -> Path:
    file = folder / ".env"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"PORT=1\nADMIN_PASSWORD={SECRET}".encode("utf-16"), "UTF-16"),
        (f"PORT=1\nADMIN_PASSWORD={SECRET}".encode("utf-32"), "UTF-32"),
        (f"PORT=1\nADMIN_PASSWORD={SECRET}".encode("utf-16-le"), "NUL character in line 1"),
        (f"PORT=1\nADMIN_PASSWORD=é{SECRET}".encode("latin-1"), "not UTF-8, see line 2"),
        (f"PORT=1\nLOG_LEVEL=\0{SECRET}".encode(), "NUL character in line 2"),
        (f"PORT=1\n\n# a comment\nADMIN_PASSWORD='{SECRET}", "line 4 is not understood"),
        (f"PORT=1\n{SECRET} is the password\n", "line 2 is not understood"),
        ("PORT=1\nLOG_LEVEL\n", "line 2 is not understood"),
    ],
)
def test_file_is_named_and_no_value_when_it_cannot_be_used(
    tmp_path: Path, content: bytes | str, told: str
) -> None:
    file = env_file(tmp_path, content)
    with pytest.raises(SettingsError) as refusal:
        read_env_file(file)
    assert str(refusal.value).startswith(str(file))
    assert told in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_remedy_is_told_when_the_encoding_is_another(tmp_path: Path) -> None:
    env_file(tmp_path, "PORT=1".encode("utf-16"))
    with pytest.raises(SettingsError, match="Set-Content -Encoding utf8"):
        load_settings({}, tmp_path)


def test_folder_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match=r"\.env cannot be read: Is a directory"):
        load_settings({}, tmp_path)


def test_nothing_is_read_when_there_is_no_file(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}


def test_values_are_as_they_are_written_whatever_the_system_wrote_them(tmp_path: Path) -> None:
    lines = ["\ufeff#", "export PORT = 9000", "", "ADMIN_PASSWORD=pa${USER}x$HOME", "A='b # c'"]
    values = read_env_file(env_file(tmp_path, "\r\n".join(lines)))
    assert values == {"PORT": "9000", "ADMIN_PASSWORD": "pa${USER}x$HOME", "A": "b # c"}
