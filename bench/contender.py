"""What can be measured in turn: tenants in a database, and workers who make their partitions."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager

from bench.processes import Workers
from bench.rounds import seconds_until

# Enough for every worker to have one: its imports and connections are not measured.
WARMING = 8


class Contender(ABC):
    """The product, or a peer, installed with nothing in it."""

    @abstractmethod
    def import_tenants(self, tenants: int) -> None:
        """Store so many tenants, for whom nothing is enqueued yet."""

    @abstractmethod
    def backfill(self) -> None:
        """Enqueue what makes every stored tenant ready."""

    @abstractmethod
    def sign_up(self) -> None:
        """Store one tenant and enqueue its job."""

    @abstractmethod
    def count_ready(self) -> int:
        """How many tenants have their partition, as the rows say."""

    @abstractmethod
    def working(self, count: int) -> AbstractContextManager[Workers]:
        """So many of its workers, waiting for jobs."""

    @abstractmethod
    def close(self) -> None: ...

    def seconds_until_ready(self, begin: Callable[[], object], tenants: int) -> float:
        """From the beginning until so many more tenants are ready.

        Raises:
            TimeoutError: they were not, within ten minutes.
        """
        expected = self.count_ready() + tenants
        return seconds_until(begin, lambda: self.count_ready() >= expected)

    def warm_up(self) -> None:
        """Let the workers do a few jobs."""

        def sign_ups() -> None:
            for _ in range(WARMING):
                self.sign_up()

        self.seconds_until_ready(sign_ups, WARMING)
