"""Rows for the canary that fit any collection, made from its description alone."""

import secrets
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ROWS = 3
# Fewer random characters could be the key of an existing row.
SHORTEST_KEY = 16

Field = Mapping[str, Any]


class Unfillable(Exception):
    """A required field has an unknown type; the message names both."""


@dataclass(frozen=True)
class Vector:
    """A vector field, and its value in every probe row."""

    field: str
    value: Any


@dataclass(frozen=True)
class Shape:
    """The fields that rows of a collection must have."""

    key: Field
    fields: tuple[Field, ...]

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> "Shape":
        """The shape in an answer of `describe_collection`, without the outputs of functions."""
        computed = {
            name
            for function in description.get("functions") or ()
            for name in function.get("output_field_names", ())
        }
        if description.get("struct_array_fields") or description.get("struct_fields"):
            raise Unfillable("the collection has fields of structs")
        fields = [field for field in description["fields"] if field["name"] not in computed]
        (key,) = (field for field in fields if field.get("is_primary"))
        return cls(key, tuple(field for field in fields if not field.get("is_primary")))

    @property
    def makes_keys(self) -> bool:
        return bool(self.key.get("auto_id"))

    def rows(self) -> list[dict[str, Any]]:
        """Rows with new keys and the same values.

        Raises:
            Unfillable: a value cannot be made.
        """
        values = {name: value for name, value in self._values().items() if value is not None}
        if self.makes_keys:
            return [dict(values) for _ in range(ROWS)]
        return [{self.key["name"]: _new_key(self.key), **values} for _ in range(ROWS)]

    def vectors(self) -> list[Vector]:
        """The vector fields that can be searched."""
        values = self._values()
        return [
            Vector(field["name"], values[field["name"]])
            for field in self.fields
            if _type(field).endswith("_VECTOR") and values[field["name"]] is not None
        ]

    def _values(self) -> dict[str, Any]:
        return {field["name"]: _value(field) for field in self.fields}


def _type(field: Field) -> str:
    return str(field["type"].name)


def _value(field: Field) -> Any:
    """A value of the field's type; None for an optional field of an unknown type."""
    make = VALUES.get(_type(field))
    if make is not None:
        return make(field)
    if field.get("nullable") or field.get("default_value") is not None:
        return None
    raise Unfillable(f"field {field['name']} has the type {_type(field)}, which is not known here")


def _new_key(key: Field) -> Any:
    if _type(key) == "INT64":
        return secrets.randbits(62)
    length = int(key.get("params", {}).get("max_length", 0))
    if length < SHORTEST_KEY:
        raise Unfillable(f"keys of {length} characters are too short for one that nobody has")
    return secrets.token_hex(16)[:length]


def _text(field: Field) -> str:
    return "canary"[: int(field.get("params", {}).get("max_length", 6))]


def _array(field: Field) -> list[Any]:
    element = {**field, "type": field["element_type"]}
    return [_value(element)]


def _dim(field: Field) -> int:
    return int(field["params"]["dim"])


def _half(field: Field) -> bytes:
    return struct.pack("<e", 0.5) * _dim(field)


def _bfloat(field: Field) -> bytes:
    # The upper half of a float of 32 bits, lowest byte first.
    return struct.pack("<f", 0.5)[2:] * _dim(field)


VALUES: dict[str, Callable[[Field], Any]] = {
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
