"""Reports parts that keep dying, by the time stamp that the wrapper leaves at each start."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A death after this time is no failed start.
STEADY_S = 30.0
# Longer than a failing start and the restart after it.
CALM_S = 5.0
# Fewer deaths may have a passing cause.
TOO_OFTEN = 3
SHOWN_BYTES = 4096
SHOWN_LINES = 10


@dataclass
class _Starts:
    stamp: int | None = None
    at: float = 0.0
    deaths: int = 0


class Restarts:
    """Counts the consecutive deaths of each part."""

    def __init__(self, var_dir: Path, names: Sequence[str]) -> None:
        self._var_dir = var_dir
        self._starts = {name: _Starts() for name in names}

    def forget(self) -> None:
        """Reset the counts, after all parts were restarted for another reason."""
        self._starts = {name: _Starts() for name in self._starts}

    def look(self) -> list[str]:
        """A message for each part that has just reached `TOO_OFTEN` deaths."""
        return [
            self._complaint(name, starts.deaths)
            for name, starts in self._starts.items()
            if self._has_died(name, starts) and starts.deaths == TOO_OFTEN
        ]

    def are_over(self) -> bool:
        """Whether no part has died within `CALM_S`."""
        now = time.monotonic()
        return not any(
            starts.deaths and now - starts.at < CALM_S for starts in self._starts.values()
        )

    def _has_died(self, name: str, starts: _Starts) -> bool:
        """Whether the part was restarted since the last look; updates the count."""
        stamp, now = self._stamp(name), time.monotonic()
        if stamp == starts.stamp:
            return False
        died = starts.stamp is not None
        if died:
            starts.deaths = starts.deaths + 1 if now - starts.at < STEADY_S else 1
        starts.stamp, starts.at = stamp, now
        return died

    def _stamp(self, name: str) -> int | None:
        try:
            return started_stamp(self._var_dir, name).stat().st_mtime_ns
        except OSError:
            return None

    def _complaint(self, name: str, deaths: int) -> str:
        log = self._var_dir / "log" / f"{name}.log"
        return "\n".join(
            [
                f"The part '{name}' has died {deaths} times, one after the other; it is started "
                f"again until it lives. Its log {log} ends with:",
                *(f"    {line}" for line in _last_lines(log)),
            ]
        )


def started_stamp(var_dir: Path, name: str) -> Path:
    """The file whose modification time is the part's last start."""
    return var_dir / "run" / f"{name}.started"


def _last_lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - SHOWN_BYTES, 0))
            tail = file.read().decode(errors="replace")
    except OSError:
        return ["(it cannot be read)"]
    return tail.splitlines()[-SHOWN_LINES:]
