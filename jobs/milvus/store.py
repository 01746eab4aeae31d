"""The calls to a vector store that provisioning needs, independent of the client."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from create_milvus_partition import SecondsLeft
from webapp.models.causes import Cause

T = TypeVar("T")

# Asks pymilvus's client, with the seconds that are left for it.
Request = Callable[[Any, SecondsLeft], T]

# The settings for TLS by name where there are none, see `Settings.milvus_tls`.
NO_TLS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Place:
    """A collection by its own name, not an alias.

    `number` and `created` are Milvus's own and differ for a collection that was dropped and made
    again; 0 is unknown. Milvus Lite has neither. `description` is Milvus's answer about it; empty
    for a place that is only remembered.
    """

    name: str
    number: int
    created: int = 0
    description: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def is_same(self, other: "Place") -> bool:
        """Whether both may be one collection: no number says otherwise, or its name was changed."""
        if self.name != other.name:
            return 0 != self.number == other.number
        return not self.is_other_than(other)

    def is_other_than(self, other: "Place") -> bool:
        """Whether their numbers prove that they are two collections."""
        pairs = ((self.number, other.number), (self.created, other.created))
        return any(mine and theirs and mine != theirs for mine, theirs in pairs)

    @property
    def has_identity(self) -> bool:
        """Whether a collection that was made again could be told from this one."""
        return bool(self.number)


class StoreError(Exception):
    """A call failed; the message holds no credential.

    After `Cause.TIMEOUT` the outcome is unknown: the change may have happened.
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


class CollectionReplaced(StoreError):
    """Under the name of the collection that the partitions are in, another one answers."""

    def __init__(self, collection: str, to: Place) -> None:
        super().__init__(
            Cause.COLLECTION_REPLACED,
            f"the collection {collection} is not the one that its tenants' partitions are in",
        )
        self.to = to


def unless_missing(ask: Callable[[], T], otherwise: T) -> T:
    """What the store answers, or the other value where the collection is missing."""
    try:
        return ask()
    except StoreError as error:
        if error.cause != Cause.COLLECTION_MISSING:
            raise
        return otherwise


class PartitionStore(Protocol):
    """Partitions of one server. Every call ends within its own deadline or raises StoreError.

    Safe to call from several threads of the process that opened it.
    """

    def locate(self, collection: str) -> Place:
        """The collection that the name, which may be an alias, stands for.

        Raises:
            StoreError: of a cause in `OF_A_LISTING`.
        """

    def list_partitions(self, collection: str) -> frozenset[str]:
        """Names of all partitions of the collection, `_default` included.

        Raises:
            StoreError: of a cause in `OF_A_LISTING`.
        """

    def create_partition(self, collection: str, partition: str) -> None:
        """Create the partition; one that exists is a success, so the call may be repeated.

        The server's acknowledgement is no proof: list to prove.

        Raises:
            StoreError: with the cause in the server's answer; `invalid_name` without any call.
        """

    def count_rows(self, collection: str, partition: str) -> int | None:
        """Rows of the partition, 0 for a missing one; None, unknown, means "it may hold rows".

        0 covers every row written before the call. The count of a partition that is not loaded
        may include deleted rows.

        Raises:
            StoreError: `collection_missing`, or why there was no answer; `rate_limited` where only
                a flush would show it.
        """

    def count_each(self, collection: str, partitions: Sequence[str]) -> Mapping[str, int | None]:
        """As `count_rows`, for many partitions that exist, with few calls and one deadline.

        Raises:
            StoreError: as for one of them.
        """

    def drop_partition(self, collection: str, partition: str) -> None:
        """Drop the partition, loaded or not; as with a creation, list to prove.

        A missing partition is a success, so the call may be repeated. No other is released.

        Raises:
            StoreError: with the cause that the server's answer shows.
        """

    def call(self, request: Request[T]) -> T:
        """What the request returns; no call of it begins after the time-out.

        Raises:
            StoreError: for every error, within the store's time-out.
        """

    def close(self) -> None:
        """Close this process's connection; the next call opens another. Never raises."""
