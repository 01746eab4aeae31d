"""What is known of collections' fields: learned by the sweep, at no call of its own."""

from dataclasses import replace

from sqlalchemy import update
from sqlalchemy.orm import Session

from jobs.milvus.store import Place
from tests.access import statements
from tests.factories import FaultyStore, Product
from webapp.models.observed import ObservedCollection
from webapp.partitions.collection_schema import STORED, CollectionSchema, SchemaField, schema_of

WRITES = "UPDATE observed_collection SET fields"


def known(product: Product) -> CollectionSchema | None:
    return product.read(schema_of, product.collection)


def store_fields(product: Product, text: str | None) -> None:
    product.write(update(ObservedCollection).values(fields=text))


def test_fields_are_known_and_written_when_they_have_changed_alone(whole: Product) -> None:
    quick = whole.configured(reconcile_interval=0.001)
    with statements(whole.engine) as seen:
        for _ in range(3):
            quick.sweep()
    assert len([each for each in seen if each.startswith(WRITES)]) == 1
    schema = known(whole)
    assert schema is not None
    assert schema.is_dynamic
    assert schema.fields == (
        SchemaField("id", "INT64", is_key=True, is_made=True),
        SchemaField("vector", "FLOAT_VECTOR", dim=4),
    )
    store_fields(whole, STORED.dump_json(CollectionSchema(schema.fields[:1])).decode())
    quick.sweep()
    assert known(whole) == schema
    for unreadable in ("", "{}", '{"fields": 7}', "nonsense"):
        store_fields(whole, unreadable)
        assert known(whole) is None


def test_nothing_is_harmed_when_the_fields_cannot_be_understood(whole: Product) -> None:
    class Odd(FaultyStore):
        def locate(self, collection: str) -> Place:
            return replace(super().locate(collection), description={"fields": 7})

    whole.sweep(Odd(whole.store))
    assert known(whole) is None
    seen = whole.read(Session.get_one, ObservedCollection, whole.collection)
    assert (seen.cause, seen.partitions) == (None, 1)
    assert seen.compared_at is not None
