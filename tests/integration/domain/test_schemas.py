"""What is known of collections' fields: learned by the sweep, seldom, and at nobody's cost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from jobs.milvus.store import StoreError
from tests.factories import FaultyStore, Product
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.observed import ObservedCollection
from webapp.partitions.collection_schema import STORED, CollectionSchema, SchemaField, schema_of


class Counting(FaultyStore):
    """A real store that counts, and may refuse, whatever is asked beside partitions."""

    refusal: StoreError | None = None

    def call(self, request: Callable[[Any, float], Any]) -> Any:
        self.calls.append("describe")
        if self.refusal:
            raise self.refusal
        return super().call(request)


def known(product: Product) -> CollectionSchema | None:
    return product.read(schema_of, product.collection)


def store_fields(product: Product, text: str | None) -> None:
    product.write(update(ObservedCollection).values(fields=text))


def test_fields_are_asked_for_once_an_hour_when_they_are_known(whole: Product) -> None:
    quick, counting = whole.configured(reconcile_interval=0.001), Counting(whole.store)
    for _ in range(3):
        quick.sweep(counting)
    assert counting.calls.count("describe") == 1
    schema = known(whole)
    assert schema is not None
    assert schema.is_dynamic
    assert schema.fields == (
        SchemaField("id", "INT64", is_key=True, is_made=True),
        SchemaField("vector", "FLOAT_VECTOR", dim=4),
    )
    old = CollectionSchema(utc_now() - timedelta(minutes=61), schema.fields)
    store_fields(whole, STORED.dump_json(old).decode())
    quick.sweep(counting)
    assert counting.calls.count("describe") == 2
    fresh = known(whole)
    assert fresh is not None
    assert fresh.is_dynamic
    for unreadable in ("", "{}", '{"fields": 7}', "nonsense"):
        store_fields(whole, unreadable)
        assert known(whole) is None


def test_nothing_is_harmed_when_milvus_does_not_tell_the_fields(whole: Product) -> None:
    silent = Counting(whole.store)
    silent.refusal = StoreError(Cause.TIMEOUT, "no answer")
    whole.sweep(silent)
    assert known(whole) is None
    seen = whole.read(Session.get_one, ObservedCollection, whole.collection)
    assert (seen.cause, seen.partitions) == (None, 1)
    assert seen.compared_at is not None


def test_fields_are_asked_for_again_when_the_collection_was_missing_before(whole: Product) -> None:
    quick = whole.configured(reconcile_interval=0.001)
    counting = Counting(whole.store)
    quick.sweep(counting)
    counting.listing = StoreError(Cause.COLLECTION_MISSING, "no such collection")
    quick.sweep(counting)
    counting.listing = None
    quick.sweep(counting)
    assert counting.calls.count("describe") == 2
