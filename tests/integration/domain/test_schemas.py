"""What is known of collections' fields: learned by the sweep, at no call of its own."""

from dataclasses import replace

from sqlalchemy import update
from sqlalchemy.orm import Session

from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.store import Place
from tests.factories import FaultyStore, Product, statements
from webapp.models.observed import ObservedCollection
from webapp.partitions.collection_schema import STORED, CollectionSchema, SchemaField, schema_of

WRITES = "UPDATE observed_collection SET fields"


def known(product: Product) -> CollectionSchema | None:
    return product.read(schema_of, product.collection)


def store_fields(product: Product, text: str | None) -> None:
    product.write(update(ObservedCollection).values(fields=text))


def test_fields_are_known_when_the_sweep_has_seen_the_collection(
    whole: Product, store: MilvusPartitionStore
) -> None:
    whole.sweep(FaultyStore(store))
    schema = known(whole)
    assert schema is not None
    assert schema.is_dynamic
    assert schema.fields == (
        SchemaField("id", "INT64", is_key=True, is_made=True),
        SchemaField("vector", "FLOAT_VECTOR", dim=4),
    )


def test_fields_are_written_when_they_have_changed_alone(
    whole: Product, store: MilvusPartitionStore
) -> None:
    quick = whole.configured(reconcile_interval=0.001)
    with statements(whole.engine) as seen:
        for _ in range(3):
            quick.sweep(FaultyStore(store))
    assert len([each for each in seen if each.startswith(WRITES)]) == 1
    schema = known(whole)
    assert schema is not None
    store_fields(whole, STORED.dump_json(CollectionSchema(schema.fields[:1])).decode())
    quick.sweep(FaultyStore(store))
    assert known(whole) == schema


def test_nothing_is_harmed_when_the_fields_cannot_be_understood(
    whole: Product, store: MilvusPartitionStore
) -> None:
    class Odd(FaultyStore):
        def locate(self, collection: str) -> Place:
            return replace(super().locate(collection), description={"fields": 7})

    whole.sweep(Odd(store))
    assert known(whole) is None
    seen = whole.read(Session.get_one, ObservedCollection, whole.collection)
    assert (seen.cause, seen.partitions) == (None, 1)
    assert seen.compared_at is not None


def test_fields_are_unknown_when_what_is_stored_cannot_be_read(
    whole: Product, store: MilvusPartitionStore
) -> None:
    whole.sweep(FaultyStore(store))
    for text in ("", "{}", '{"fields": 7}', "nonsense"):
        store_fields(whole, text)
        assert known(whole) is None
