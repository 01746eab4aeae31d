"""What provisioning needs of a vector store, whichever client does it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from webapp.models.causes import Cause

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """A collection itself, whatever name leads to it; Milvus Lite numbers all of them 0."""

    name: str
    number: int

    def is_same(self, other: "Place") -> bool:
        """Whether both are one collection; one of the same name may have been made anew."""
        return self.name == other.name or 0 != self.number == other.number


class StoreError(Exception):
    """A call to the store did not succeed; `cause` says why, the message says what was seen.

    After `Cause.TIMEOUT` the outcome is unknown: the change may have happened, so ask.
    The message never holds a credential.
    """

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message


class CollectionMoved(StoreError):
    """An alias stands for another collection than the one that the partitions are in."""

    def __init__(self, collection: str, known: Place, to: Place | None) -> None:
        now = f"stands for {to.name} now" if to else "stands for none any more"
        super().__init__(
            Cause.COLLECTION_MOVED,
            f"the alias {collection} {now}; its tenants' partitions are in {known.name}",
        )
        self.to = to.name if to else "-"


class PartitionStore(Protocol):
    """Partitions of one server. Every call ends within its own deadline or raises StoreError.

    Safe to call from several threads of the process that opened it.
    """

    def locate(self, collection: str) -> Place:
        """The collection itself that the name, which may be an alias, stands for.

        Raises:
            StoreError: `collection_missing`, or that the server did not answer.
        """

    def list_partitions(self, collection: str) -> frozenset[str]:
        """Names of all partitions of the collection, `_default` included.

        Raises:
            StoreError: `collection_missing`, or that the server did not answer.
        """

    def create_partition(self, collection: str, partition: str) -> None:
        """Ask for the partition. Returning is the server's word, not yet proof: list to prove.

        An existing partition is a success on every engine, so the call may be repeated.

        Raises:
            StoreError: with the cause that the server's answer shows.
        """

    def count_rows(self, collection: str, partition: str) -> int | None:
        """Rows of the partition, none of a missing one; None: the store cannot tell.

        Zero is said only where no row was found that was written before the call. What is not
        loaded may be counted with rows that were deleted. Take None for "it holds rows".

        Raises:
            StoreError: `collection_missing`, or why there was no answer; `rate_limited` too.
        """

    def count_each(self, collection: str, partitions: Sequence[str]) -> Mapping[str, int | None]:
        """As `count_rows`, of many partitions, which exist, before one deadline.

        Raises:
            StoreError: as for one of them.
        """

    def drop_partition(self, collection: str, partition: str) -> None:
        """Ask for the partition to go, loaded or not. As with a creation: list to prove.

        A missing partition is a success, so the call may be repeated. No other is touched.

        Raises:
            StoreError: with the cause that the server's answer shows.
        """

    def call(self, request: Callable[[Any, float], T]) -> T:
        """What the request returns; it is given the store's client and the seconds it has.

        Raises:
            StoreError: whatever went wrong, within the store's time-out.
        """

    def close(self) -> None:
        """Give up the connection; the next call opens another. Never raises."""
