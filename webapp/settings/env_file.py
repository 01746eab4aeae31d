"""The file `.env`: its names and values, or the reason why it cannot be read."""

import codecs
import io
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from webapp.settings.model import SettingsError

REMEDY = "save it as UTF-8 (in PowerShell: Set-Content -Encoding utf8 .env)"
# Byte order marks. The longer ones first: UTF-32's begins with UTF-16's.
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_env_file(file: Path) -> dict[str, str]:
    """Name → value; empty without a file. `${NAME}` in a value is not replaced.

    Raises:
        SettingsError: it is unreadable, no UTF-8, or has a line that is no setting; names no value.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    bindings = parse_stream(io.StringIO(_decode(content, file)))
    return dict(_parse(binding, file) for binding in bindings if not _is_empty(binding))


def _decode(content: bytes, file: Path) -> str:
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            raise SettingsError(f"{file} is written in {encoding}; {REMEDY}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{file} is not UTF-8, see line {line}; {REMEDY}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SettingsError(f"{file} holds a NUL character in line {line}; {REMEDY}")
    return text


def _is_empty(binding: Binding) -> bool:
    return binding.key is None and not binding.error


def _parse(binding: Binding, file: Path) -> tuple[str, str]:
    if binding.error or binding.key is None or binding.value is None:
        # dotenv counts the empty lines before a binding as part of it.
        source = binding.original.string
        empty = source[: len(source) - len(source.lstrip())]
        line = binding.original.line + empty.count("\n")
        raise SettingsError(f"{file} line {line} is not understood; it must be NAME=value")
    return binding.key, binding.value
