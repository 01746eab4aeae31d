"""The archive of pruned entries: JSON lines in `ARCHIVE_DIR`, a file for each kind and month."""

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from webapp.times import rfc3339

READ_AT_ONCE = 65_536


class ArchiveError(Exception):
    """Entries could not be written; the message names the folder and the reason."""


@dataclass(frozen=True)
class Archived:
    """An entry for the archive; the moment chooses its file."""

    at: datetime
    columns: Mapping[str, Any]


class Archive:
    """Appends entries. A line that was cut off by a crash is removed before the next is written.

    After a crash between the archive and the deletion the same entries are written again, equal
    to the letter: the kind is the file's name, and `id` tells them apart.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, kind: str, entries: Sequence[Archived]) -> None:
        """Write the entries; they are on the disk when this returns.

        Raises:
            ArchiveError: they may not be; a part may be.
        """
        by_month: dict[str, list[str]] = defaultdict(list)
        for entry in entries:
            by_month[f"{entry.at:%Y-%m}"].append(_line(entry))
        try:
            for month, lines in by_month.items():
                _append(self._folder / f"{kind}-{month}.jsonl", "".join(lines).encode())
        except OSError as error:
            reason = f"ARCHIVE_DIR {self._folder} cannot be written: {error.strerror}"
            raise ArchiveError(reason) from error


def _line(entry: Archived) -> str:
    return json.dumps(entry.columns, ensure_ascii=False, default=_plain) + "\n"


def _plain(value: object) -> object:
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def _append(file: Path, data: bytes) -> None:
    is_new = not file.exists()
    with _locked(file) as descriptor:
        end = _end_of_lines(descriptor)
        if end < os.fstat(descriptor).st_size:
            os.ftruncate(descriptor, end)
        try:
            _write(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, end)
            raise
    if is_new:
        _sync_folder(file.parent)


@contextmanager
def _locked(file: Path) -> Iterator[int]:
    """The open file, for one writer at a time. Only its owner may read it: it has addresses."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _end_of_lines(descriptor: int) -> int:
    """The length of the file without a last line that does not end."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - READ_AT_ONCE)
        last = os.pread(descriptor, end - start, start).rfind(b"\n")
        if last >= 0:
            return start + last + 1
        end = start
    return 0


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
