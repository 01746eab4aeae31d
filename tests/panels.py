"""Two installations that differ in their size alone, and what a page of each costs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from apiflask import APIFlask
from sqlalchemy import Engine, event
from werkzeug.test import TestResponse

from tests.access import Visitor, statements
from webapp.http.shared_reads import SharedReads

# A hundred tenants whose lists are as long as those of very many: pages of fifty.
FEW, MANY = (100, 60), (100_000, 5_000)

# What pages need to have something to show, by the end of their address. All others are opened
# as they are.
ARGUMENTS = {
    "/admin/operations/review/": "?kind=retry&scope=matching&state=failed",
    "/admin/partitions/review/": "?cause=timeout",
}
A_TENANT = "?id=57"
ANY_TENANTS = ("details", "live", "edit", "delete", "departure", "empty", "restore", "timeline")
FILTERS = (
    *("state=failed", "state=ready", "state=failed&cause=milvus_unreachable", "state=none"),
    *("search=acme", "search=acme&state=failed", "search=tenant_57"),
    *("search=t57-g1-d1", "search=nobody", "search=ac", "page=after-57-Acme"),
)
TABS = ("all", "causes", "drift", "queues")


@dataclass(frozen=True)
class Panel:
    """An application, somebody who uses it, and its database."""

    app: APIFlask
    visitor: Visitor
    engine: Engine
    # The processes of PostgreSQL that the application is connected to; SQLite works in our own.
    backends: set[int] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        """Keep PostgreSQL to the processes that it serves connections in, and know them all."""
        if self.engine.dialect.name != "postgresql":
            return
        event.listen(self.engine, "connect", self._know_backend)
        # A parallel worker is gone, with what it took, before anybody could ask. The planner
        # wants none for tables of this size; so it cannot begin to without being noticed.
        with self.engine.begin() as connection:
            name = self.engine.url.database
            only_one = f'ALTER DATABASE "{name}" SET max_parallel_workers_per_gather = 0'
            connection.exec_driver_sql(only_one)
        self.engine.dispose()

    def _know_backend(self, connection: Any, _record: object) -> None:
        self.backends.add(connection.info.backend_pid)

    def cpu_s(self, work: Callable[[], object]) -> float:
        """The processor's time that the work takes here and in the database.

        So it does not matter what else the machine is busy with.
        """
        began = self._taken_s()
        work()
        return self._taken_s() - began

    def _taken_s(self) -> float:
        return time.thread_time() + sum(map(_on_processor_s, self.backends))

    def open(self, address: str, tag: str | None = None) -> TestResponse:
        """The page as nobody asked for it within the last second."""
        self.forget()
        return self.ask(address, tag)

    def ask(self, address: str, tag: str | None = None) -> TestResponse:
        """The page as the next of many panels asks for it, who has the content of this tag."""
        headers = {"HX-Request": "true"} if "/live/" in address else {}
        headers |= {"If-None-Match": tag} if tag else {}
        answer = self.visitor.get(address, headers=headers)
        assert answer.status_code in {200, 304}, (address, answer.status_code)
        return answer

    def forget(self) -> None:
        """Let more than a second pass for the figures that panels share."""
        self.app.extensions["shared_reads"] = SharedReads()

    def statements(self, address: str) -> list[str]:
        with statements(self.engine) as asked:
            self.open(address)
        return asked


def pages(panel: Panel) -> list[str]:
    """The address of every page of the panel, as the application itself lists them."""
    rules = [str(rule) for rule in panel.app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    own = sorted(rule for rule in rules if rule.startswith("/admin/") and "<" not in rule)
    plain = [rule + _arguments(panel, rule) for rule in own if _is_page(panel, rule)]
    lists = ("/admin/tenant/?", "/admin/partitions/?tab=all&")
    filtered = [address + wanted for address in lists for wanted in FILTERS]
    tabs = [f"/admin/partitions/{part}?tab={tab}" for tab in TABS for part in ("", "live/")]
    return [*plain, *filtered, *tabs]


def _arguments(panel: Panel, rule: str) -> str:
    if rule in ARGUMENTS:
        return ARGUMENTS[rule]
    is_of_one = rule.removeprefix("/admin/tenant/").strip("/") in ANY_TENANTS
    return A_TENANT if is_of_one else ""


def _is_page(panel: Panel, rule: str) -> bool:
    """Whether it shows anything: some are for scripts, files, or what is not there yet."""
    if rule.endswith(".csv"):
        return False
    answer = panel.visitor.get(rule + _arguments(panel, rule))
    return answer.status_code == 200 and answer.mimetype == "text/html"


def _on_processor_s(process: int) -> float:
    """How long the process has run, which Linux knows to the nanosecond."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def costs(few: Panel, many: Panel, address: str, rounds: int) -> tuple[float, float]:
    """What a page costs in seconds with few tenants and with many: medians, measured in turn."""
    pairs = [
        (few.cpu_s(lambda: few.open(address)), many.cpu_s(lambda: many.open(address)))
        for _ in range(rounds)
    ]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
