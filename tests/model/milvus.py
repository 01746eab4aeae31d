"""A Milvus in memory, held to the same contract as the real ones, and what may go wrong with it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from create_milvus_partition import is_partition_name
from jobs.milvus.store import Place, StoreError
from jobs.provisioning.attempt import check_room
from webapp.models.causes import OF_A_LISTING, Cause

T = TypeVar("T")

DEFAULT = "_default"


class InMemoryMilvus:
    """Collections of partitions, and how many rows lie in each; safe to call from threads."""

    def __init__(self, max_partitions: int | None = None) -> None:
        self.max_partitions = max_partitions
        # As Milvus gives them; Milvus Lite has none, which is 0.
        self.numbers: dict[str, int] = {}
        self.has_numbers = False
        self._made = 0
        self.collections: dict[str, dict[str, int]] = {}
        self.uri = "in memory"
        # Collections whose partitions are not for anybody to make.
        self._keyed: set[str] = set()
        self._lock = threading.RLock()

    def make_collection(
        self, *, name: str | None = None, partition_key: bool = False, loaded: bool = False
    ) -> str:
        """The name of an empty collection, unless there is one; loaded or not is the same here."""
        name = name or f"c{len(self.collections)}"
        if name not in self.collections:
            self._made += 1
            self.numbers[name] = self._made if self.has_numbers else 0
        self.collections.setdefault(name, {DEFAULT: 0})
        if partition_key:
            self._keyed.add(name)
        return name

    def drop_collection(self, name: str) -> None:
        del self.collections[name]

    def replace_collection(self, name: str, *partitions: str) -> None:
        """Another collection under the same name, with these partitions."""
        self.drop_collection(name)
        self.make_collection(name=name)
        self.collections[name] |= dict.fromkeys(partitions, 0)

    def locate(self, collection: str) -> Place:
        with self._lock:
            self._partitions(collection)
        number = self.numbers[collection]
        return Place(collection, number, 1_000 * number)

    def list_partitions(self, collection: str) -> frozenset[str]:
        with self._lock:
            return frozenset(self._partitions(collection))

    def create_partition(self, collection: str, partition: str) -> None:
        _check_name(partition)
        with self._lock:
            partitions = self._partitions(collection)
            if collection in self._keyed:
                raise StoreError(Cause.PARTITION_KEY_MODE, "Milvus manages these partitions")
            if partition in partitions:
                return
            if self.max_partitions is not None:
                check_room(len(partitions), self.max_partitions, collection)
            partitions[partition] = 0

    def count_rows(self, collection: str, partition: str) -> int | None:
        _check_name(partition)
        with self._lock:
            return self._partitions(collection).get(partition, 0)

    def count_each(self, collection: str, partitions: Sequence[str]) -> Mapping[str, int | None]:
        return {name: self.count_rows(collection, name) for name in partitions}

    def drop_partition(self, collection: str, partition: str) -> None:
        _check_name(partition)
        with self._lock:
            partitions = self._partitions(collection)
            if partition == DEFAULT:
                raise StoreError(Cause.UNEXPECTED, "the default partition cannot be dropped")
            partitions.pop(partition, None)

    def close(self) -> None:
        """Nothing to give up."""

    def insert_rows(self, collection: str, partition: str, count: int) -> None:
        """What customers do: fill a partition that exists."""
        with self._lock:
            self._partitions(collection)[partition] += count

    def delete_rows(self, collection: str, partition: str) -> None:
        with self._lock:
            self._partitions(collection)[partition] = 0

    def holds(self, collection: str, partition: str) -> bool:
        return partition in self.collections.get(collection, {})

    def holds_rows(self, collection: str, partition: str) -> bool:
        """Whether there is such a partition, with rows in it."""
        return self.collections.get(collection, {}).get(partition, 0) > 0

    def _partitions(self, collection: str) -> dict[str, int]:
        if collection not in self.collections:
            raise StoreError(Cause.COLLECTION_MISSING, f"there is no collection {collection}")
        return self.collections[collection]


def _check_name(partition: str) -> None:
    if not is_partition_name(partition):
        raise StoreError(Cause.INVALID_NAME, "Milvus does not allow this partition name")


@dataclass(frozen=True)
class Answer:
    """How a call ends: as asked, or with an error, before or after its effect, or long before."""

    cause: Cause | None = None
    effect: Literal["now", "never", "later"] = "now"
    kills: bool = False

    def to(self, kind: str) -> "Answer":
        """The same to a call of this kind: a listing shows no cause of one partition."""
        is_impossible = kind == "list" and self.cause in OF_A_PARTITION
        return replace(self, cause=Cause.UNEXPECTED) if is_impossible else self

    def give(self, call: Callable[[], T], later: list[Callable[[], object]]) -> T:
        """What the call returns, or the error in its place.

        Raises:
            StoreError: of the cause.
            Killed: the caller does not live to see the answer.
        """
        if self.effect == "later":
            later.append(call)
        if self.effect == "now":
            result = call()
        if self.kills:
            raise Killed
        if self.cause is not None:
            raise StoreError(self.cause, "as the model has it")
        return result


class Killed(BaseException):
    """The process that made the call is no more; nothing of it may catch this."""


# What Milvus refuses of one partition alone, and all that an attempt may fail of.
OF_A_PARTITION = {Cause.CAPACITY, Cause.PARTITION_KEY_MODE, Cause.INVALID_NAME}
SHOWN = sorted({*OF_A_LISTING, *OF_A_PARTITION, Cause.FOREIGN_DATA})

WELL = Answer()
KILLED = Answer(effect="never", kills=True)
ANSWERS = [
    WELL,
    Answer(Cause.TIMEOUT, "now"),
    Answer(Cause.TIMEOUT, "later"),
    Answer(Cause.TIMEOUT, "never"),
    *(
        Answer(cause, "never")
        for cause in SHOWN
        if cause not in {Cause.TIMEOUT, Cause.FOREIGN_DATA}
    ),
    KILLED,
    Answer(effect="now", kills=True),
]
