"""Rows for the canary that fit any collection, made from its schema alone."""

import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from webapp.partitions.collection_schema import CollectionSchema, SchemaField

ROWS = 3
# Fewer random characters could be the key of an existing row.
SHORTEST_KEY = 16


class Unfillable(Exception):
    """A required field has an unknown type; the message names both."""


@dataclass(frozen=True)
class Shape:
    """The fields that rows of a collection must have."""

    key: SchemaField
    fields: tuple[SchemaField, ...]

    @classmethod
    def of(cls, schema: CollectionSchema) -> "Shape":
        """The key, and the fields that Milvus does not fill in."""
        (key,) = (field for field in schema.fields if field.is_key)
        others = (field for field in schema.fields if not field.is_key and not field.is_made)
        return cls(key, tuple(others))

    def rows(self) -> list[dict[str, Any]]:
        """Rows with new keys and the same values.

        Raises:
            Unfillable: a value cannot be made.
        """
        made = {field.name: _value(field) for field in self.fields}
        values = {name: value for name, value in made.items() if value is not None}
        if self.key.is_made:
            return [dict(values) for _ in range(ROWS)]
        return [{self.key.name: _new_key(self.key), **values} for _ in range(ROWS)]

    def vectors(self) -> dict[str, Any]:
        """The vector fields that can be searched, with their value in every probe row."""
        made = {field.name: _value(field) for field in self.fields if field.is_vector}
        return {name: value for name, value in made.items() if value is not None}


def _value(field: SchemaField) -> Any:
    """A value of the field's type; None for an optional field of an unknown type."""
    make = VALUES.get(field.type)
    if make is not None:
        return make(field)
    if field.is_optional:
        return None
    raise Unfillable(f"field {field.name} has the type {field.type}, which is not known here")


def _new_key(key: SchemaField) -> Any:
    if key.type == "INT64":
        return secrets.randbits(62)
    length = key.max_length or 0
    if length < SHORTEST_KEY:
        raise Unfillable(f"keys of {length} characters are too short for one that no other row has")
    return secrets.token_hex(16)[:length]


def _text(field: SchemaField) -> str:
    return "canary"[: field.max_length]


def _array(field: SchemaField) -> list[Any]:
    return [_value(replace(field, type=field.element_type or ""))]


def _dim(field: SchemaField) -> int:
    return field.dim or 0


def _half(field: SchemaField) -> bytes:
    return struct.pack("<e", 0.5) * _dim(field)


def _bfloat(field: SchemaField) -> bytes:
    # The upper half of a float of 32 bits, lowest byte first.
    return struct.pack("<f", 0.5)[2:] * _dim(field)


VALUES: dict[str, Callable[[SchemaField], Any]] = {
    "BOOL": lambda _: True,
    "INT8": lambda _: 1,
    "INT16": lambda _: 1,
    "INT32": lambda _: 1,
    "INT64": lambda _: 1,
    "FLOAT": lambda _: 0.5,
    "DOUBLE": lambda _: 0.5,
    "STRING": _text,
    "VARCHAR": _text,
    "TEXT": _text,
    "JSON": lambda _: {"canary": True},
    "ARRAY": _array,
    "GEOMETRY": lambda _: "POINT (0 0)",
    "TIMESTAMPTZ": lambda _: "2026-01-01T00:00:00Z",
    "FLOAT_VECTOR": lambda field: [0.5] * _dim(field),
    "BINARY_VECTOR": lambda field: b"\x55" * (_dim(field) // 8),
    "FLOAT16_VECTOR": _half,
    "BFLOAT16_VECTOR": _bfloat,
    "INT8_VECTOR": lambda field: b"\x01" * _dim(field),
    "SPARSE_FLOAT_VECTOR": lambda _: {1: 0.5, 7: 0.5},
}
