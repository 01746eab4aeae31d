"""Sample values, as Python source, for the fields of any collection."""

from collections.abc import Callable
from dataclasses import dataclass

from flask_babel import gettext as _

from webapp.partitions.collection_schema import SchemaField
from webapp.texts import N_

SENTENCE = "The first chunk of a document."


@dataclass(frozen=True)
class Sample:
    """A value as source, and a note; the source is None where no value can be guessed."""

    source: str | None
    note: str = ""


def sample_of(field: SchemaField) -> Sample:
    """A plausible value of the field's type."""
    make = MAKERS.get(field.type)
    if make is not None:
        return make(field)
    return Sample(None, _("fill in a value of the type %(type)s", type=field.type))


def question_for(field: SchemaField) -> Sample:
    """The query value for a vector field."""
    if field.is_made:
        return Sample(quoted("a question in words"), _("Milvus makes the vector of it"))
    sample = sample_of(field)
    return Sample(sample.source, _("the question's vector"))


def quoted(text: str) -> str:
    """The text as a Python string literal on one line."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in {'"', "\\"}:
        return f"\\{character}"
    return character if character.isprintable() else repr(character)[1:-1]


def _text(field: SchemaField) -> Sample:
    longest = field.max_length or len(SENTENCE)
    text = "chunk-1" if field.is_key else SENTENCE
    return Sample(quoted(text[:longest]), _("your own key of this row") if field.is_key else "")


def _whole(field: SchemaField) -> Sample:
    return Sample("1", _("your own key of this row") if field.is_key else "")


def _array(field: SchemaField) -> Sample:
    if field.element_type not in SCALARS:
        return Sample("[]")
    element = SchemaField(field.name, field.element_type, max_length=field.max_length)
    return Sample(f"[{sample_of(element).source}]")


def _vector(element: str, note: str, numbers_in_one: int = 1) -> Callable[[SchemaField], Sample]:
    """Makes a vector of equal elements, each of which holds one number or several."""

    def make(field: SchemaField) -> Sample:
        source = f"{element} * {(field.dim or 0) // numbers_in_one}"
        return Sample(source, _(note, dim=field.dim))

    return make


def _sparse(_field: SchemaField) -> Sample:
    return Sample("{1: 0.5, 7: 0.25}", _("a sparse vector: position and weight"))


def _always(source: str) -> Callable[[SchemaField], Sample]:
    return lambda _field: Sample(source)


SCALARS: dict[str, Callable[[SchemaField], Sample]] = {
    "BOOL": _always("True"),
    "INT8": _whole,
    "INT16": _whole,
    "INT32": _whole,
    "INT64": _whole,
    "FLOAT": _always("0.5"),
    "DOUBLE": _always("0.5"),
    "STRING": _text,
    "VARCHAR": _text,
    "TEXT": _text,
}
MAKERS = SCALARS | {
    "JSON": _always('{"page": 3}'),
    "ARRAY": _array,
    "GEOMETRY": _always(quoted("POINT (12.5 41.9)")),
    "TIMESTAMPTZ": _always(quoted("2026-01-01T00:00:00Z")),
    "FLOAT_VECTOR": _vector("[0.1]", N_("%(dim)s numbers of your model")),
    "BINARY_VECTOR": _vector(r'b"\x55"', N_("%(dim)s bits, eight in a byte"), 8),
    "FLOAT16_VECTOR": _vector(r'b"\x00\x38"', N_("%(dim)s numbers of type float16, as bytes")),
    "BFLOAT16_VECTOR": _vector(r'b"\x00\x3f"', N_("%(dim)s numbers of type bfloat16, as bytes")),
    "INT8_VECTOR": _vector(r'b"\x01"', N_("%(dim)s numbers of type int8, as bytes")),
    "SPARSE_FLOAT_VECTOR": _sparse,
}
