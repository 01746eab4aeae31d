"""The code that the panel offers runs as it stands, on every Milvus, in its partition only."""

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from pymilvus import DataType, Function, FunctionType, MilvusClient

from jobs.milvus.schema import schema_in
from webapp.admin.tenants.snippet import Place, Snippet, snippet_for, without_secrets
from webapp.partitions.collection_schema import CollectionSchema, SchemaField

OWN, OTHER = "tenant_7", "tenant_8"
VECTOR = {"field_name": "vector", "datatype": DataType.FLOAT_VECTOR, "dim": 8}
NUMBER = {"datatype": DataType.INT64}


@pytest.fixture
def lite(milvus_lite: Any) -> Iterator[MilvusClient]:
    yield from _client(milvus_lite.uri)


@pytest.fixture
def standalone(milvus_standalone: Any) -> Iterator[MilvusClient]:
    yield from _client(milvus_standalone.uri)


def _client(uri: str) -> Iterator[MilvusClient]:
    client = MilvusClient(uri, timeout=10, dedicated=True)
    client.address = uri  # type: ignore[attr-defined]
    yield client
    client.close()


def collection_of(
    client: MilvusClient,
    *fields: dict[str, Any],
    key: dict[str, Any] = NUMBER,
    auto_id: bool = True,
    dynamic: bool = True,
    function: Function | None = None,
    **index: str,
) -> str:
    """A loaded collection with partitions of two tenants; the last field is its vector."""
    name = f"c_{uuid4().hex}"
    schema = client.create_schema(auto_id=auto_id, enable_dynamic_field=dynamic)
    schema.add_field("id", is_primary=True, **key)
    for field in fields:
        schema.add_field(**field)
    if function:
        schema.add_function(function)
    chosen = client.prepare_index_params()
    index = {"index_type": "AUTOINDEX", "metric_type": "L2"} | index
    chosen.add_index(fields[-1]["field_name"], **index)
    client.create_collection(name, schema=schema, index_params=chosen, timeout=30)
    for partition in (OWN, OTHER):
        client.create_partition(name, partition)
    return name


def code_for(client: Any, collection: str, partition: str = OWN) -> Snippet:
    schema = schema_in(client.describe_collection(collection))
    return snippet_for(Place(client.address, collection, partition), schema)


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MILVUS_URI", "MILVUS_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def printed(code: str) -> str:
    """What the code prints when it is run."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<snippet>", "exec"), {})
    return out.getvalue()


def rows_in(client: MilvusClient, collection: str, partition: str) -> int:
    """How many rows the loaded partition holds."""
    (answer,) = client.query(
        collection,
        partition_names=[partition],
        output_fields=["count(*)"],
        consistency_level="Strong",
        timeout=30,
    )
    return int(answer["count(*)"])


def check_runs_in_its_partition_only(client: Any, collection: str) -> str:
    """Insert once for one tenant: it alone finds the row. Returns what its search printed."""
    assert printed(code_for(client, collection).insert).startswith("1 ")
    found = printed(code_for(client, collection).search)
    assert len(found.splitlines()) == 1, found
    assert printed(code_for(client, collection, OTHER).search) == ""
    return found


@pytest.mark.parametrize("milvus", ["lite", "standalone"])
def test_snippet_finds_its_row_in_its_partition_only_when_run(
    milvus: str, request: pytest.FixtureRequest
) -> None:
    client = request.getfixturevalue(milvus)
    text = {"field_name": "text", "datatype": DataType.VARCHAR, "max_length": 100}
    name = collection_of(client, text, VECTOR)
    assert "The first chunk" in check_runs_in_its_partition_only(client, name)
    assert '# "id" is left out: Milvus fills it in.' in code_for(client, name).insert


def test_snippet_fills_every_scalar_when_there_are_many(lite: MilvusClient) -> None:
    kinds = ["INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE", "BOOL", "JSON"]
    words = {"datatype": DataType.VARCHAR, "max_length": 3}
    tags = {"datatype": DataType.ARRAY, "element_type": DataType.VARCHAR, "max_capacity": 2}
    fields = [
        *({"field_name": kind.lower(), "datatype": DataType[kind]} for kind in kinds),
        {"field_name": "short", **words},
        {"field_name": "source", "nullable": True, **words},
        {"field_name": "tags", "max_length": 40, **tags},
        {"field_name": "numbers", **tags, "element_type": DataType.INT32},
        VECTOR,
    ]
    name = collection_of(lite, *fields, auto_id=False, dynamic=False)
    check_runs_in_its_partition_only(lite, name)


def test_snippet_gives_a_key_when_milvus_makes_none(lite: MilvusClient) -> None:
    key = {"datatype": DataType.VARCHAR, "max_length": 40}
    name = collection_of(lite, VECTOR, key=key, auto_id=False)
    assert "chunk-1" in check_runs_in_its_partition_only(lite, name)
    assert "is left out" not in code_for(lite, name).insert


def test_snippet_searches_sparse_vectors_when_there_are_no_others(lite: MilvusClient) -> None:
    sparse = {"field_name": "sparse", "datatype": DataType.SPARSE_FLOAT_VECTOR}
    name = collection_of(lite, sparse, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    check_runs_in_its_partition_only(lite, name)


def test_snippet_searches_by_words_when_milvus_makes_the_vectors(lite: MilvusClient) -> None:
    text = {"field_name": "text", "datatype": DataType.VARCHAR, "max_length": 100}
    sparse = {"field_name": "sparse", "datatype": DataType.SPARSE_FLOAT_VECTOR}
    made = Function(
        name="words",
        function_type=FunctionType.BM25,
        input_field_names=["text"],
        output_field_names=["sparse"],
    )
    index = {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "BM25"}
    fields = ({**text, "enable_analyzer": True}, sparse)
    name = collection_of(lite, *fields, function=made, **index)
    code = code_for(lite, name)
    assert printed(code.insert).startswith("1 ")
    assert '"a question in words"' in code.search
    again = code.search.replace("a question in words", "the document")
    assert "The first chunk" in printed(again)


def test_snippet_gives_bytes_when_the_vector_is_made_of_bits(standalone: MilvusClient) -> None:
    field = {"field_name": "bits", "datatype": DataType.BINARY_VECTOR, "dim": 16}
    name = collection_of(standalone, field, index_type="BIN_FLAT", metric_type="HAMMING")
    check_runs_in_its_partition_only(standalone, name)


def test_snippet_gives_bytes_when_the_vector_is_made_of_halves(standalone: MilvusClient) -> None:
    field = {"field_name": "halves", "datatype": DataType.FLOAT16_VECTOR, "dim": 16}
    name = collection_of(standalone, field, index_type="FLAT")
    assert printed(code_for(standalone, name).insert).startswith("1 ")
    for partition, rows in ((OWN, 1), (OTHER, 0)):
        # Milvus 2.3.5 reads past the question's end: the same row is at a distance of 0, of
        # infinity or of nothing at all, from one search to the next. So what is there is counted.
        printed(code_for(standalone, name, partition).search)
        assert rows_in(standalone, name, partition) == rows


def test_snippet_says_what_to_fill_in_when_the_fields_are_not_known(lite: MilvusClient) -> None:
    name = collection_of(lite, VECTOR)
    code = snippet_for(Place(lite.address, name, OWN), None)  # type: ignore[attr-defined]
    assert "not known yet: fill them in here" in code.insert
    for part in (code.insert, code.search):
        assert printed(part.replace("DIMENSION = 1536", "DIMENSION = 8"))


def test_snippet_says_so_when_a_type_is_not_known_here() -> None:
    fields = (SchemaField('we"ird\n', "ARRAY_OF_STRUCT"), SchemaField("v", "FLOAT_VECTOR", dim=2))
    place = Place("http://nobody", "c", OWN)
    code = snippet_for(place, CollectionSchema(fields)).insert
    compile(code, "<snippet>", "exec")
    assert r'# "we\"ird\n": fill in a value of the type ARRAY_OF_STRUCT' in code


def test_snippet_holds_no_credentials_when_the_address_has_some() -> None:
    address = "https://me:hunter2@milvus.example:443?token=hunter3#hunter4"
    assert without_secrets(address) == "https://milvus.example:443"
    code = snippet_for(Place(address, "c", OWN), None)
    assert "hunter" not in code.insert + code.search
    assert re.search(r'"MILVUS_TOKEN", ""', code.insert)
