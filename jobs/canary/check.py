"""The isolation canary: rows of two probe partitions are found through their own alone."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from jobs.canary.probe_rows import ROWS, Shape, Unfillable, Vector
from jobs.milvus.rows import load_partitions
from jobs.milvus.store import PartitionStore, StoreError
from webapp.models.causes import Cause
from webapp.models.states import CanaryOutcome
from webapp.partitions.isolation_checks import CanaryReport

T = TypeVar("T")
Keys = frozenset[Any]

# Names that no tenant can have.
PROBES = ("paratia_probe_1", "paratia_probe_2")
# More than there are of ours: a row of somebody else's must not hide behind them.
LIMIT = 100


class Broken(Exception):
    """Isolation is not as promised; the message says what was found where."""


class NotRun(Exception):
    """The check could not be made; the message says why."""


class Canary:
    """One check. It makes probes of its own, and drops them again whatever happened."""

    def __init__(self, store: PartitionStore, max_partitions: int, timeout_s: float) -> None:
        """`timeout_s` bounds all calls of the check together; dropping the probes comes on top."""
        self._store = store
        self._max_partitions = max_partitions
        self._timeout_s = timeout_s
        self._ends_at = 0.0

    def run(self, collection: str) -> CanaryReport:
        """What the check shows. Never raises StoreError."""
        self._ends_at = time.monotonic() + self._timeout_s
        try:
            message = self._check(collection)
        except Broken as broken:
            return CanaryReport(CanaryOutcome.FAILED, str(broken))
        except (NotRun, Unfillable) as reason:
            return CanaryReport(CanaryOutcome.NOT_RUN, str(reason))
        except StoreError as error:
            return CanaryReport(CanaryOutcome.NOT_RUN, f"{error.cause}: {error.message}")
        return CanaryReport(CanaryOutcome.PASSED, message)

    def _check(self, collection: str) -> str:
        self._make_room(collection)
        description = self._call(
            lambda client, left_s: client.describe_collection(collection, timeout=left_s)
        )
        shape = Shape.of(description)
        try:
            written = {probe: self._write(collection, probe, shape) for probe in PROBES}
            self._load(collection)
            self._query(collection, shape, written)
            searched = self._search_all(collection, shape, written)
        finally:
            self._drop(collection)
        how = f"by query and by {searched}" if searched else "by query (no vector has an index)"
        return f"{ROWS * len(PROBES)} rows were found through their own partition only, {how}"

    def _make_room(self, collection: str) -> None:
        """Drop what a check that died left behind, and see that two more partitions fit."""
        names = self._list(collection)
        for probe in names.intersection(PROBES):
            self._within_time()
            self._store.drop_partition(collection, probe)
        if len(names.difference(PROBES)) + len(PROBES) > self._max_partitions:
            raise NotRun("the collection has no room for two more partitions")

    def _list(self, collection: str) -> frozenset[str]:
        self._within_time()
        return self._store.list_partitions(collection)

    def _write(self, collection: str, probe: str, shape: Shape) -> Keys:
        """Make the probe and put rows into it; returns their keys."""
        rows = shape.rows()
        self._within_time()
        self._store.create_partition(collection, probe)
        answer = self._call(
            lambda client, left_s: client.insert(
                collection, rows, partition_name=probe, timeout=left_s
            )
        )
        keys = answer["ids"] if shape.makes_keys else [row[shape.key["name"]] for row in rows]
        return frozenset(keys)

    def _load(self, collection: str) -> None:
        """Have the probes loaded, where Milvus did not by itself; no other partition is touched."""
        absent = [probe for probe in PROBES if not self._is_loaded(collection, probe)]
        if absent:
            self._call(lambda client, left_s: load_partitions(client, collection, absent, left_s))

    def _is_loaded(self, collection: str, probe: str) -> bool:
        state = self._call(
            lambda client, left_s: client.get_load_state(
                collection, partition_name=probe, timeout=left_s
            )
        )
        return bool(state["state"].name == "Loaded")

    def _query(self, collection: str, shape: Shape, written: dict[str, Keys]) -> None:
        key = shape.key["name"]
        for probe, keys in written.items():
            rows = self._call(
                lambda client, left_s, probe=probe: client.query(
                    collection,
                    filter="",
                    output_fields=[key],
                    partition_names=[probe],
                    limit=LIMIT,
                    consistency_level="Strong",
                    timeout=left_s,
                )
            )
            found = frozenset(row[key] for row in rows)
            _judge(f"a query in {probe}", found, keys)
            if found == keys:
                continue
            if probe not in self._list(collection):
                raise NotRun(f"somebody dropped {probe} meanwhile")
            raise Broken(f"a query in {probe} found {len(found)} of its own {len(keys)} rows")

    def _search_all(self, collection: str, shape: Shape, written: dict[str, Keys]) -> str:
        """Search by each vector that has an index; returns their fields in words."""
        indexed = self._indexed_fields(collection)
        vectors = [vector for vector in shape.vectors() if vector.field in indexed]
        for vector in vectors:
            for probe, keys in written.items():
                found = self._search(collection, probe, vector, shape.key["name"])
                _judge(f"a search by {vector.field} in {probe}", found, keys)
                if not found:
                    raise NotRun(f"a search by {vector.field} in {probe} found nothing")
        return " and ".join(f"search ({vector.field})" for vector in vectors)

    def _indexed_fields(self, collection: str) -> frozenset[str]:
        names = self._call(lambda client, left_s: client.list_indexes(collection, timeout=left_s))
        return frozenset(
            self._call(
                lambda client, left_s, name=name: client.describe_index(
                    collection, name, timeout=left_s
                )["field_name"]
            )
            for name in names
        )

    def _search(self, collection: str, probe: str, vector: Vector, key: str) -> Keys:
        (hits,) = self._call(
            lambda client, left_s: client.search(
                collection,
                data=[vector.value],
                anns_field=vector.field,
                limit=LIMIT,
                partition_names=[probe],
                consistency_level="Strong",
                timeout=left_s,
            )
        )
        return frozenset(hit[key] if key in hit else hit["id"] for hit in hits)

    def _drop(self, collection: str) -> None:
        """Take both probes away; what cannot be dropped now, the next check drops first."""
        for probe in PROBES:
            with suppress(StoreError):
                self._store.drop_partition(collection, probe)

    def _call(self, request: Callable[..., T]) -> T:
        self._within_time()
        return self._store.call(request)

    def _within_time(self) -> None:
        """A check that takes too long is somebody else's by now, so it must not go on.

        Raises:
            StoreError: `timeout`.
        """
        if time.monotonic() > self._ends_at:
            raise StoreError(Cause.TIMEOUT, f"the check took over {self._timeout_s:g} s")


def _judge(where: str, found: Keys, own: Keys) -> None:
    """Raise Broken where a row was found that is not the probe's own."""
    if strangers := found - own:
        raise Broken(f"{where} found {len(strangers)} rows of another partition")
