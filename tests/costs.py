"""What a run of the tests cost: by file, the processor's time with all that the file started."""

import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest

TICKS_S = os.sysconf("SC_CLK_TCK")
SHOWN = 15
PROPERTY = "cost"


class Costs:
    """Measures when the tests of a file end; so long-lived servers count where they are used."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None
        self._by_file: dict[str, tuple[float, float]] = {}

    def pytest_runtest_logstart(self) -> None:
        """What was before the first test, collecting above all, belongs to no file."""
        self._before = self._before or _now()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, None, None]:
        """Give the report of a file's last test what the file took."""
        try:
            yield
        finally:
            if self._before and (nextitem is None or nextitem.path != item.path):
                now = _now()
                # What Chromium's processes took is forgotten with them: that is nobody's gain.
                spent = [
                    max(after - before, 0) for after, before in zip(now, self._before, strict=True)
                ]
                item.user_properties.append((PROPERTY, spent))
                self._before = now

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "teardown":
            return
        file = report.nodeid.partition("::")[0]
        for name, value in report.user_properties:
            if name == PROPERTY and isinstance(value, list):
                cpu_s, took_s = self._by_file.get(file, (0.0, 0.0))
                self._by_file[file] = (cpu_s + value[0], took_s + value[1])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self._by_file) < 2:
            return
        dearest = sorted(self._by_file.items(), key=lambda entry: -entry[1][0])
        total_s = sum(cpu_s for cpu_s, _took_s in self._by_file.values())
        terminalreporter.section(f"{total_s:.0f} s of CPU, the dearest files")
        for file, (cpu_s, took_s) in dearest[:SHOWN]:
            terminalreporter.line(f"{cpu_s:6.1f} s of CPU {took_s:6.1f} s  {file}")


def _now() -> tuple[float, float]:
    return _cpu_s(), time.monotonic()


def _cpu_s() -> float:
    """The processor's time of this process, of those below it, and of those that ended there."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[pid], ticks[pid] = int(rest[1]), sum(map(int, rest[11:15]))
    return sum(ticks[pid] for pid in ticks if _is_below(pid, os.getpid(), parents)) / TICKS_S


def _is_below(pid: int, top: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != top:
        pid = parents[pid]
    return pid == top
