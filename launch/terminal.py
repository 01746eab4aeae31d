"""Prints what the parts write to their logs, each line with the part's name in front."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

POLL_S = 0.2


def say(text: str) -> None:
    """Write to the terminal at once; a closed terminal is no error."""
    try:
        # Not through sys.stdout: a blocked reader would hold its lock, and block the end.
        os.write(1, text.encode(errors="replace"))
    except OSError:
        return


def follow(log_dir: Path, names: Sequence[str]) -> None:
    """Print new lines of each part's log, in the background."""
    width = max(map(len, names))
    logs = [Log(log_dir / f"{name}.log", f"{name:<{width}} | ") for name in names]
    threading.Thread(target=_show, args=(logs,), daemon=True).start()


def _show(logs: Sequence["Log"]) -> None:
    idle = threading.Event()
    while not idle.wait(POLL_S):
        for log in logs:
            for line in log.new_lines():
                say(f"{log.prefix}{line}\n")


class Log:
    """A log file that grows and is replaced by a new one when rotated."""

    def __init__(self, path: Path, prefix: str) -> None:
        """Start at the present end; `prefix` is printed before each line."""
        self.prefix = prefix
        self._path = path
        self._rest = b""
        self._file = self._open()
        if self._file:
            self._file.seek(0, os.SEEK_END)

    def new_lines(self) -> list[str]:
        """The whole lines since the last call, also of a file that was rotated meanwhile."""
        content = b""
        if self._file:
            is_old = self._is_replaced(self._file)
            content = self._file.read()
            if is_old:
                self._file.close()
                self._file = None
        if not self._file and (opened := self._open()):
            self._file = opened
            content += opened.read()
        *lines, self._rest = (self._rest + content).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _open(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except OSError:
            return None

    def _is_replaced(self, file: BinaryIO) -> bool:
        try:
            return os.fstat(file.fileno()).st_ino != self._path.stat().st_ino
        except OSError:
            return True
