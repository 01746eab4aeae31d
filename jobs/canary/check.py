"""The isolation canary: rows of two probe partitions are found in their own partition alone."""

import time
from contextlib import suppress
from typing import Any

from jobs.canary.probe_rows import ROWS, Shape, Unfillable
from jobs.milvus.rows import load_partitions
from jobs.milvus.schema import schema_in
from jobs.milvus.store import PartitionStore, StoreError
from webapp.models.causes import Cause
from webapp.models.naming import PROBES
from webapp.models.states import CanaryOutcome
from webapp.partitions.isolation_checks import CanaryReport

Keys = frozenset[Any]

# More than the probe rows, so that rows of another partition are in the answer too.
LIMIT = 100


class Broken(Exception):
    """Isolation is broken; the message says what was found where."""


class NotRun(Exception):
    """The check could not be made; the message says why."""


class Canary:
    """Checks with two probe partitions, and drops them in every case."""

    def __init__(self, store: PartitionStore, max_partitions: int, timeout_s: float) -> None:
        """`timeout_s` bounds all calls of a check together, but for the drops at its end."""
        self._store = store
        self._max_partitions = max_partitions
        self._timeout_s = timeout_s
        self._ends_at = 0.0

    def run(self, collection: str) -> CanaryReport:
        """The report of one check. Never raises StoreError."""
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
        shape = Shape.of(schema_in(self._call("describe_collection", collection)))
        try:
            written = {probe: self._write(collection, probe, shape) for probe in PROBES}
            self._load(collection)
            self._query(collection, shape, written)
            fields = self._search_all(collection, shape, written)
        finally:
            self._drop(collection)
        how = f"by query and by {fields}" if fields else "by query (no vector has an index)"
        return f"{ROWS * len(PROBES)} rows were found through their own partition only, {how}"

    def _make_room(self, collection: str) -> None:
        """Drop the probes of a check that died, and require room for two partitions."""
        names = self._list(collection)
        for probe in names.intersection(PROBES):
            self._check_time()
            self._store.drop_partition(collection, probe)
        if len(names.difference(PROBES)) + len(PROBES) > self._max_partitions:
            raise NotRun("the collection has no room for two more partitions")

    def _list(self, collection: str) -> frozenset[str]:
        self._check_time()
        return self._store.list_partitions(collection)

    def _write(self, collection: str, probe: str, shape: Shape) -> Keys:
        """Create the probe with rows; returns their keys."""
        rows = shape.rows()
        self._check_time()
        self._store.create_partition(collection, probe)
        answer = self._call("insert", collection, rows, partition_name=probe)
        keys = answer["ids"] if shape.key.is_made else [row[shape.key.name] for row in rows]
        return frozenset(keys)

    def _load(self, collection: str) -> None:
        """Load the probes where Milvus did not; other partitions stay as they are."""
        absent = [probe for probe in PROBES if not self._is_loaded(collection, probe)]
        if absent:
            self._check_time()
            self._store.call(
                lambda client, left_s: load_partitions(client, collection, absent, left_s)
            )

    def _is_loaded(self, collection: str, probe: str) -> bool:
        state = self._call("get_load_state", collection, partition_name=probe)
        return bool(state["state"].name == "Loaded")

    def _query(self, collection: str, shape: Shape, written: dict[str, Keys]) -> None:
        key = shape.key.name
        for probe, keys in written.items():
            rows = self._call(
                "query",
                collection,
                filter="",
                output_fields=[key],
                partition_names=[probe],
                limit=LIMIT,
                consistency_level="Strong",
            )
            found = frozenset(row[key] for row in rows)
            _require_own(f"a query in {probe}", found, keys)
            if found == keys:
                continue
            if probe not in self._list(collection):
                raise NotRun(f"{probe} was dropped meanwhile")
            raise Broken(f"a query in {probe} found {len(found)} of its own {len(keys)} rows")

    def _search_all(self, collection: str, shape: Shape, written: dict[str, Keys]) -> str:
        """Search by each vector that has an index; returns their fields in words."""
        indexes = self._call("list_indexes", collection)
        indexed = {self._call("describe_index", collection, each)["field_name"] for each in indexes}
        vectors = {name: value for name, value in shape.vectors().items() if name in indexed}
        for field, value in vectors.items():
            for probe, keys in written.items():
                found = self._search(collection, probe, field, value, shape.key.name)
                _require_own(f"a search by {field} in {probe}", found, keys)
                if not found:
                    raise NotRun(f"a search by {field} in {probe} found nothing")
        return " and ".join(f"search ({field})" for field in vectors)

    def _search(self, collection: str, probe: str, field: str, value: Any, key: str) -> Keys:
        (hits,) = self._call(
            "search",
            collection,
            data=[value],
            anns_field=field,
            limit=LIMIT,
            partition_names=[probe],
            consistency_level="Strong",
        )
        return frozenset(hit[key] if key in hit else hit["id"] for hit in hits)

    def _drop(self, collection: str) -> None:
        """Drop both probes; the next check drops one that cannot be dropped now."""
        for probe in PROBES:
            with suppress(StoreError):
                self._store.drop_partition(collection, probe)

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """The answer of a method of pymilvus's client, within its deadline."""
        self._check_time()
        return self._store.call(
            lambda client, left_s: getattr(client, method)(*arguments, **options, timeout=left_s())
        )

    def _check_time(self) -> None:
        """Raise `timeout` once the lease of this check may be another process's."""
        if time.monotonic() > self._ends_at:
            raise StoreError(Cause.TIMEOUT, f"the check took over {self._timeout_s:g} s")


def _require_own(where: str, found: Keys, own: Keys) -> None:
    if others := found - own:
        raise Broken(f"{where} found {len(others)} rows of another partition")
