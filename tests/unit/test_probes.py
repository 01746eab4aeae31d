"""Values of the canary's rows, by their fields' types."""

import struct
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.canary.probe_rows import Shape, Unfillable
from jobs.milvus.schema import schema_in


def field(name: str, kind: str, **more: Any) -> dict[str, Any]:
    params = {key: more.pop(key) for key in ("dim", "max_length") if key in more}
    return {"name": name, "type": SimpleNamespace(name=kind), "params": params, **more}


def shape(*fields: dict[str, Any], **more: Any) -> Shape:
    key = field("id", "INT64", is_primary=True, auto_id=True)
    return Shape.of(schema_in({"fields": [key, *fields], **more}))


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        *(("BINARY_VECTOR", 2), ("FLOAT16_VECTOR", 32), ("BFLOAT16_VECTOR", 32)),
        *(("INT8_VECTOR", 16), ("FLOAT_VECTOR", 16)),
    ],
)
def test_vector_has_the_bytes_or_numbers_of_its_type(kind: str, size: int) -> None:
    (row, *_) = shape(field("v", kind, dim=16)).rows()
    assert len(row["v"]) == size


def test_short_floats_are_a_half_when_read_back() -> None:
    made = shape(field("h", "FLOAT16_VECTOR", dim=1), field("b", "BFLOAT16_VECTOR", dim=1))
    (row, *_) = made.rows()
    assert struct.unpack("<e", row["h"]) == (0.5,)
    assert struct.unpack("<f", b"\0\0" + row["b"]) == (0.5,)


def test_keys_are_all_different_when_milvus_makes_none() -> None:
    made = Shape.of(schema_in({"fields": [field("id", "INT64", is_primary=True)]}))
    keys = [row["id"] for row in (*made.rows(), *made.rows())]
    assert len(set(keys)) == len(keys) == 6


def test_field_is_left_out_when_its_type_is_unknown_but_it_may_be_missing() -> None:
    made = shape(field("x", "STRUCT", nullable=True), field("y", "NEW", default_value=1))
    assert made.rows() == [{}] * 3


def test_field_is_named_when_its_type_is_unknown() -> None:
    with pytest.raises(Unfillable, match="field x has the type STRUCT"):
        shape(field("x", "STRUCT")).rows()


def test_field_is_left_to_its_function_when_milvus_fills_it() -> None:
    made = shape(
        field("text", "VARCHAR", max_length=3),
        field("sparse", "SPARSE_FLOAT_VECTOR"),
        functions=[{"output_field_names": ["sparse"]}],
    )
    assert made.rows() == [{"text": "can"}] * 3
    assert made.vectors() == {}
