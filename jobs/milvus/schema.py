"""The fields of a collection, in our words."""

from collections.abc import Mapping
from typing import Any

from jobs.milvus.store import PartitionStore, StoreError
from webapp.db.types import utc_now
from webapp.logs import get_logger
from webapp.partitions.collection_schema import CollectionSchema, SchemaField, Schemas

log = get_logger("paratia.reconcile")


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
