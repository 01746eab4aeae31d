"""Two installations that differ in their size alone, and what a page of each costs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from apiflask import APIFlask
from sqlalchemy import Engine, event
from werkzeug.test import TestResponse

from tests.access import Visitor
from webapp.admin.recent import RecentFigures

# A hundred tenants whose lists are as long as those of very many: pages of fifty.
FEW, MANY = (100, 60), (100_000, 5_000)


@dataclass(frozen=True)
class Panel:
    """An application, somebody who uses it, and its database."""

    app: APIFlask
    visitor: Visitor
    engine: Engine

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
        self.app.extensions["recent_figures"] = RecentFigures()

    def statements(self, address: str) -> list[str]:
        """What opening the page asks the database."""
        asked: list[str] = []

        def note(_c: object, _k: object, statement: str, *_rest: object) -> None:
            asked.append(statement)

        event.listen(self.engine, "before_cursor_execute", note)
        try:
            self.open(address)
        finally:
            event.remove(self.engine, "before_cursor_execute", note)
        return asked


def cpu_s(work: Callable[[], object]) -> float:
    """The processor's time that the work takes, whatever else the machine is busy with."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def ratio(few: Panel, many: Panel, address: str, rounds: int) -> float:
    """How much more a page costs with many tenants: of medians, measured in turn."""
    pairs = [
        (cpu_s(lambda: few.open(address)), cpu_s(lambda: many.open(address))) for _ in range(rounds)
    ]
    return median(pair[1] for pair in pairs) / median(pair[0] for pair in pairs)
