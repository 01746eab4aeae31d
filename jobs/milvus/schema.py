"""The fields of a collection, in our words."""

from collections.abc import Mapping
from typing import Any

from webapp.partitions.collection_schema import CollectionSchema, SchemaField


def schema_in(answer: Mapping[str, Any]) -> CollectionSchema:
    """The fields in an answer of `describe_collection`."""
    computed = {
        name
        for function in answer.get("functions") or ()
        for name in function.get("output_field_names", ())
    }
    fields = [_field(field, computed) for field in answer["fields"]]
    structs = [*(answer.get("struct_array_fields") or ()), *(answer.get("struct_fields") or ())]
    fields += [SchemaField(struct["name"], "ARRAY_OF_STRUCT") for struct in structs]
    return CollectionSchema(tuple(fields), bool(answer.get("enable_dynamic_field")))


def _field(field: Mapping[str, Any], computed: set[str]) -> SchemaField:
    of_type = field.get("params") or {}
    element = field.get("element_type")
    return SchemaField(
        name=field["name"],
        type=field["type"].name,
        dim=_number(of_type.get("dim")),
        max_length=_number(of_type.get("max_length")),
        element_type=element.name if element else None,
        is_key=bool(field.get("is_primary")),
        is_made=bool(field.get("auto_id")) or field["name"] in computed,
        is_optional=bool(field.get("nullable")) or field.get("default_value") is not None,
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
