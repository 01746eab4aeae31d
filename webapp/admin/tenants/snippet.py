"""Code for a tenant's partition: insert and search, ready to paste."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from flask_babel import gettext as _

from webapp.admin.tenants.samples import Sample, question_for, quoted, sample_of
from webapp.partitions.collection_schema import CollectionSchema, SchemaField

# An undeclared field, to show that a dynamic collection takes it.
FURTHER = "source"
LIMIT = 5


@dataclass(frozen=True)
class Snippet:
    """Two programs, each of which runs by itself."""

    insert: str
    search: str


@dataclass(frozen=True)
class Place:
    address: str
    collection: str
    partition: str


def snippet_for(place: Place, schema: CollectionSchema | None) -> Snippet:
    """The code for one partition; with an unknown schema it says what to fill in."""
    head = "\n".join(_head(place))
    insert = _insert(schema) if schema else _insert_unknown()
    search = _search(schema) if schema else _search_unknown()
    return Snippet(_whole(head, insert), _whole(head, search))


def _whole(head: str, lines: Iterator[str]) -> str:
    return head + "\n\n" + "\n".join(lines) + "\n"


def _head(place: Place) -> Iterator[str]:
    yield "import os"
    yield ""
    yield "from pymilvus import MilvusClient"
    yield ""
    yield f"COLLECTION = {quoted(place.collection)}"
    yield f"PARTITION = {quoted(place.partition)}"
    yield ""
    yield "client = MilvusClient("
    yield f'    uri=os.environ.get("MILVUS_URI") or {quoted(without_secrets(place.address))},'
    yield '    token=os.environ.get("MILVUS_TOKEN", ""),'
    yield ")"


def without_secrets(address: str) -> str:
    """The address without user, password, query or fragment."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _insert(schema: CollectionSchema) -> Iterator[str]:
    yield "rows = ["
    yield "    {"
    for field in schema.fields:
        if field.is_made:
            continue
        yield from _pair(field.name, sample_of(field), is_optional=field.is_optional)
    if schema.is_dynamic and FURTHER not in {field.name for field in schema.fields}:
        note = _("any further field: this collection takes them")
        yield from _pair(FURTHER, Sample(quoted("handbook.pdf"), note))
    yield "    },"
    yield "]"
    for field in schema.fields:
        if field.is_made:
            yield _comment(
                _("%(field)s is left out: Milvus fills it in.", field=quoted(field.name))
            )
    yield from _send()


def _send() -> Iterator[str]:
    yield "answer = client.insert(COLLECTION, rows, partition_name=PARTITION)"
    yield 'print(answer["insert_count"], answer["ids"])'


def _pair(name: str, sample: Sample, *, is_optional: bool = False) -> Iterator[str]:
    if sample.source is None:
        if not is_optional:
            yield f"        {_comment(f'{quoted(name)}: {sample.note}')}"
        return
    note = f"  {_comment(sample.note)}" if sample.note else ""
    yield f"        {quoted(name)}: {sample.source},{note}"


def _search(schema: CollectionSchema) -> Iterator[str]:
    vectors = [field for field in schema.fields if field.is_vector]
    if not vectors:
        yield _comment(_("This collection has no field of vectors that could be searched."))
        return
    # Prefer a dense vector that Milvus does not compute.
    field = min(vectors, key=lambda vector: (vector.is_made, vector.type != "FLOAT_VECTOR"))
    question = question_for(field)
    shown = [other.name for other in schema.fields if _is_shown(other)]
    others = [other.name for other in vectors if other is not field]
    if others:
        names = ", ".join(map(quoted, others))
        yield _comment(_("There are further vectors to search by: %(names)s.", names=names))
    yield from _ask(
        f"[{question.source}],  {_comment(question.note)}",
        quoted(field.name),
        f"[{', '.join(map(quoted, shown))}]",
    )


def _is_shown(field: SchemaField) -> bool:
    return not (field.is_vector or field.is_made)


def _ask(data: str, vector: str, shown: str) -> Iterator[str]:
    yield _comment(_("Milvus searches only what is loaded."))
    yield 'if client.get_load_state(COLLECTION, PARTITION)["state"].name != "Loaded":'
    yield "    client.load_partitions(COLLECTION, [PARTITION])"
    yield "found = client.search("
    yield "    COLLECTION,"
    yield f"    data={data}"
    yield f"    anns_field={vector},"
    yield "    partition_names=[PARTITION],  " + _comment(_("else all tenants are searched"))
    yield f"    limit={LIMIT},"
    yield f"    output_fields={shown},"
    now = _comment(_("sees what was inserted just now; dearer"))
    yield f'    consistency_level="Strong",  {now}'
    yield ")"
    yield "for hit in found[0]:"
    yield '    print(hit["distance"], hit["entity"])'


def _unknown() -> Iterator[str]:
    yield _comment(_("The fields of this collection are not known yet: fill them in here."))
    yield 'VECTOR = "vector"  ' + _comment(_("the name of the vector field"))
    yield "DIMENSION = 1536  " + _comment(_("how many numbers a vector has"))


def _insert_unknown() -> Iterator[str]:
    yield from _unknown()
    yield "rows = ["
    yield "    {"
    yield "        VECTOR: [0.1] * DIMENSION,"
    note = _("every other field, but no key that Milvus makes itself")
    yield f"        {_comment(note)}"
    yield "    },"
    yield "]"
    yield from _send()


def _search_unknown() -> Iterator[str]:
    yield from _unknown()
    note = _("the question's vector")
    yield from _ask(f"[[0.1] * DIMENSION],  {_comment(note)}", "VECTOR", "[]")


def _comment(text: str) -> str:
    return "# " + " ".join(text.split())
