"""Asks Milvus what a collection is: which one a name stands for, and its fields in our words."""

from collections.abc import Mapping
from typing import Any

from jobs.store import CollectionMoved, PartitionStore, StoreError
from webapp.database import utc_now
from webapp.logs import get_logger
from webapp.tenants.causes import Cause
from webapp.tenants.observing import Observing, Place
from webapp.tenants.schemas import CollectionSchema, SchemaField, Schemas

log = get_logger("paratia.reconcile")


def located(observing: Observing, store: PartitionStore, collection: str) -> Place:
    """The collection itself that the name stands for, which is the one that it stood for.

    Raises:
        CollectionMoved: the name is an alias that was moved or dropped, and what is in the
            collection that it stood for is not to be judged by another one.
        StoreError: `collection_missing`, or that the server did not answer.
    """
    known = observing.place(collection)
    try:
        found = store.locate(collection)
    except StoreError as error:
        if error.cause != Cause.COLLECTION_MISSING or known is None or known.name == collection:
            raise
        if known.is_same(store.locate(known.name)):
            raise CollectionMoved(collection, known, None) from None
        raise
    if known is not None and not known.is_same(found):
        raise CollectionMoved(collection, known, found)
    return found


def describe(schemas: Schemas, store: PartitionStore, collection: str) -> None:
    """Store the collection's fields. Where Milvus does not tell, all stays as it is."""
    try:
        told = store.call(
            lambda client, left_s: client.describe_collection(collection, timeout=left_s)
        )
    except StoreError as error:
        log.info("milvus.not_described", collection=collection, cause=error.cause)
        return
    schemas.record(collection, schema_in(told))


def schema_in(told: Mapping[str, Any]) -> CollectionSchema:
    """The fields in an answer of `describe_collection`."""
    made = {
        name
        for function in told.get("functions") or ()
        for name in function.get("output_field_names", ())
    }
    fields = [_field(field, made) for field in told["fields"]]
    structs = [*(told.get("struct_array_fields") or ()), *(told.get("struct_fields") or ())]
    fields += [SchemaField(struct["name"], "ARRAY_OF_STRUCT") for struct in structs]
    return CollectionSchema(utc_now(), tuple(fields), bool(told.get("enable_dynamic_field")))


def _field(told: Mapping[str, Any], made: set[str]) -> SchemaField:
    of_type = told.get("params") or {}
    element = told.get("element_type")
    return SchemaField(
        name=told["name"],
        type=told["type"].name,
        dim=_number(of_type.get("dim")),
        max_length=_number(of_type.get("max_length")),
        element_type=element.name if element else None,
        is_key=bool(told.get("is_primary")),
        is_made=bool(told.get("auto_id")) or told["name"] in made,
        is_optional=bool(told.get("nullable")) or told.get("default_value") is not None,
    )


def _number(told: Any) -> int | None:
    return None if told is None else int(told)
