"""The time that the product is told, moved on by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace

import pytest

BEGINNING = datetime(2031, 3, 1, 8, tzinfo=UTC)


class Clock:
    """A moment that stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = BEGINNING

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        """Seconds since the beginning, as `time.monotonic` counts them."""
        return (self.now - BEGINNING).total_seconds()


@contextmanager
def follow_clock(clock: Clock) -> Iterator[None]:
    """Let the database's times, the ages of dispatches and the leases follow the clock."""

    class Told(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return clock.now

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("webapp.db.types.datetime", Told)
        patch.setattr("webapp.queue.job_queue.datetime", Told)
        told = SimpleNamespace(monotonic=clock.monotonic)
        patch.setattr("jobs.provisioning.leases.time", told)
        patch.setattr("jobs.drift.orphan_requests.time", told)
        yield
