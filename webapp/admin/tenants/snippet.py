"""Code for a tenant's partition: insert and search, ready to paste."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from flask_babel import gettext as _

from create_milvus_partition import tls_arguments
from webapp.admin.tenants.samples import Sample, question_for, quoted, sample_of
from webapp.partitions.collection_schema import CollectionSchema

# An undeclared field, to show that a dynamic collection takes it.
FURTHER = "source"

HEAD = """\
import os

from pymilvus import MilvusClient

COLLECTION = {collection}
PARTITION = {partition}

client = MilvusClient(
    uri=os.environ.get("MILVUS_URI") or {address},
    token=os.environ.get("MILVUS_TOKEN", ""),
{tls})

"""
TLS = "    {argument}=os.environ.get({name}) or {value},"
UNKNOWN = """\
{fill_in}
VECTOR = "vector"  {name}
DIMENSION = 1536  {dimension}
"""
INSERT = """\
rows = [
    {{
{fields}    }},
]
{left_out}answer = client.insert(COLLECTION, rows, partition_name=PARTITION)
print(answer["insert_count"], answer["ids"])
"""
SEARCH = """\
{loaded}
if client.get_load_state(COLLECTION, PARTITION)["state"].name != "Loaded":
    client.load_partitions(COLLECTION, [PARTITION])
found = client.search(
    COLLECTION,
    data=[{question}],  {note}
    anns_field={field},
    partition_names=[PARTITION],  {else_all}
    limit=5,
    output_fields=[{shown}],
    consistency_level="Strong",  {strong}
)
for hit in found[0]:
    print(hit["distance"], hit["entity"])
"""


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
    # The settings for TLS by name: a certificate's files lie elsewhere for the application.
    tls: Mapping[str, str] | None = None


def snippet_for(place: Place, schema: CollectionSchema | None) -> Snippet:
    """The code for one partition; with an unknown schema it says what to fill in."""
    head = HEAD.format(
        collection=quoted(place.collection),
        partition=quoted(place.partition),
        address=quoted(without_secrets(place.address)),
        tls=_lines(_tls_lines(place.tls or {})),
    )
    if schema:
        return Snippet(head + _insert(schema), head + _search(schema))
    head += UNKNOWN.format(
        fill_in=_comment(_("The fields of this collection are not known yet: fill them in here.")),
        name=_comment(_("the name of the vector field")),
        dimension=_comment(_("how many numbers a vector has")),
    )
    others = _comment(_("every other field, but no key that Milvus makes itself"))
    fields = ("        VECTOR: [0.1] * DIMENSION,", f"        {others}")
    insert = INSERT.format(fields=_lines(fields), left_out="")
    question = Sample("[0.1] * DIMENSION", _("the question's vector"))
    return Snippet(head + insert, head + _ask(question, "VECTOR"))


def _tls_lines(tls: Mapping[str, str]) -> Iterator[str]:
    for argument, name in tls_arguments({name: name for name in tls}).items():
        yield TLS.format(argument=argument, name=quoted(name), value=quoted(tls[name]))


def without_secrets(address: str) -> str:
    """The address without user, password, query or fragment."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _insert(schema: CollectionSchema) -> str:
    left_out = (
        _comment(_("%(field)s is left out: Milvus fills it in.", field=quoted(field.name)))
        for field in schema.fields
        if field.is_made
    )
    return INSERT.format(fields=_lines(_fields(schema)), left_out=_lines(left_out))


def _fields(schema: CollectionSchema) -> Iterator[str]:
    for field in schema.fields:
        sample = sample_of(field)
        if field.is_made or (sample.source is None and field.is_optional):
            continue
        yield _pair(field.name, sample)
    if schema.is_dynamic and FURTHER not in {field.name for field in schema.fields}:
        note = _("any further field: this collection takes them")
        yield _pair(FURTHER, Sample(quoted("handbook.pdf"), note))


def _pair(name: str, sample: Sample) -> str:
    if sample.source is None:
        return f"        {_comment(f'{quoted(name)}: {sample.note}')}"
    note = f"  {_comment(sample.note)}" if sample.note else ""
    return f"        {quoted(name)}: {sample.source},{note}"


def _search(schema: CollectionSchema) -> str:
    vectors = [field for field in schema.fields if field.is_vector]
    if not vectors:
        return _comment(_("This collection has no field of vectors that could be searched.")) + "\n"
    # Prefer a dense vector that Milvus does not compute.
    field = min(vectors, key=lambda vector: (vector.is_made, vector.type != "FLOAT_VECTOR"))
    shown = [quoted(each.name) for each in schema.fields if not (each.is_vector or each.is_made)]
    search = _ask(question_for(field), quoted(field.name), ", ".join(shown))
    names = ", ".join(quoted(other.name) for other in vectors if other is not field)
    if names:
        further = _comment(_("There are further vectors to search by: %(names)s.", names=names))
        return f"{further}\n{search}"
    return search


def _ask(question: Sample, field: str, shown: str = "") -> str:
    return SEARCH.format(
        loaded=_comment(_("Milvus searches only what is loaded.")),
        question=question.source,
        note=_comment(question.note),
        field=field,
        else_all=_comment(_("else all tenants are searched")),
        shown=shown,
        strong=_comment(_("sees what was inserted just now; dearer")),
    )


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _comment(text: str) -> str:
    return "# " + " ".join(text.split())
