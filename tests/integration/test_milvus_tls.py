"""A Milvus behind TLS with a certificate of its own authority, by both providers."""

import contextlib
import io
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from create_milvus_partition import parse, tls_arguments
from jobs.context import Worker
from jobs.milvus.store import StoreError
from tests.acceptance.test_partition_script import named, script
from tests.access import settings_in
from tests.conftest import skip_when_switched_off
from tests.engines.certificates import Pair, encrypted, issued, self_signed
from tests.engines.lite import LiteServer
from tests.engines.process import accepts, wait_until
from tests.engines.proxy import Proxy
from tests.engines.standalone import StandaloneServer, Tls
from tests.integration.test_snippet import printed
from tests.milvus_collections import make_collection
from webapp.admin.tenants.snippet import Place, snippet_for
from webapp.models.causes import Cause
from webapp.settings import SettingsError, load_settings

# The name in the server's certificate; it is reached by address.
NAME = "milvus.internal"
COLLECTION = "behind_tls"
PROVIDERS = ("sdk", "script")


@dataclass(frozen=True)
class Authority:
    """What one authority has signed, and another one that the server does not know."""

    own: Pair
    other: Pair
    server: Pair
    client: Pair

    @property
    def trusted(self) -> dict[str, str]:
        return {"milvus_ca_cert": str(self.own.certificate), "milvus_server_name": NAME}


@pytest.fixture(scope="module")
def authority(new_directory: Callable[[str], Path]) -> Authority:
    folder = new_directory("tls")
    own = self_signed(folder, "authority")
    other = self_signed(folder, "other")
    return Authority(own, other, issued(own, NAME), issued(own, "client"))


@pytest.fixture(scope="module")
def one_way(milvus_lite: LiteServer, authority: Authority) -> Iterator[str]:
    """The address of a Milvus Lite behind TLS that asks clients for nothing."""
    make_collection(milvus_lite.uri, name=COLLECTION, loaded=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server.certificate, authority.server.key)
    context.set_alpn_protocols(["h2"])
    with Proxy(("127.0.0.1", milvus_lite.port), context) as proxy:
        wait_until(lambda: accepts(proxy.port), 5, "the proxy to listen")
        yield f"https://127.0.0.1:{proxy.port}"


@pytest.fixture(scope="module")
def mutual(new_directory: Callable[[str], Path], authority: Authority) -> Iterator[str]:
    """The address of a Milvus that speaks TLS itself, and serves the authority's clients alone."""
    skip_when_switched_off("milvus-standalone")
    tls = Tls(authority.server, authority.own.certificate)
    server = StandaloneServer(new_directory("standalone"), tls=tls)
    server.start()
    try:
        # It says that it is well a moment before its proxy answers.
        wait_until(lambda: is_made(server.uri, authority), 60, "a collection behind TLS")
        yield server.uri
    finally:
        server.kill()


def is_made(uri: str, authority: Authority) -> bool:
    """Whether the collection could be made there, by a client with all certificates."""
    from pymilvus import DataType, MilvusClient, MilvusException

    values = authority.trusted | with_client(authority.client)
    tls = tls_arguments({name.upper(): value for name, value in values.items()})
    try:
        with closing(MilvusClient(uri, dedicated=True, timeout=10, **tls)) as client:
            schema = client.create_schema(auto_id=True)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
            client.create_collection(COLLECTION, schema=schema, timeout=10)
    except MilvusException:
        return False
    return True


def with_client(pair: Pair) -> dict[str, str]:
    return {"milvus_client_cert": str(pair.certificate), "milvus_client_key": str(pair.key)}


def made_by(provider: str, var_dir: Path, uri: str, **tls: str) -> bool:
    """Whether the provider makes a partition that is then listed; both as jobs use them."""
    settings = settings_in(var_dir, milvus_uri=uri, milvus_timeout=30, **tls)
    worker, partition = Worker(settings), f"tenant_{provider}"
    with closing(worker.store) as store:
        if provider == "script":
            return worker.script(COLLECTION, partition).result == "created"
        store.create_partition(COLLECTION, partition)
        return partition in store.list_partitions(COLLECTION)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_partition_is_made_when_the_authority_is_known(
    provider: str, one_way: str, authority: Authority, tmp_path: Path
) -> None:
    assert made_by(provider, tmp_path, one_way, **authority.trusted)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_partition_is_made_when_the_server_knows_the_client(
    provider: str, mutual: str, authority: Authority, tmp_path: Path
) -> None:
    tls = authority.trusted | with_client(authority.client)
    assert made_by(provider, tmp_path, mutual, **tls)


Change = Callable[[Authority], dict[str, Any]]
WRONG: dict[str, Change] = {
    "not trusted, see MILVUS_CA_CERT": lambda known: {
        "milvus_ca_cert": str(known.other.certificate)
    },
    "for another name, see MILVUS_SERVER_NAME": lambda known: {"milvus_server_name": None},
    "want a client certificate, see MILVUS_CLIENT_CERT": lambda known: {
        "milvus_client_cert": None,
        "milvus_client_key": None,
    },
    "client certificate, see MILVUS_CLIENT_CERT": lambda known: with_client(known.other),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("says", WRONG)
def test_the_message_names_the_setting_when_tls_fails(
    says: str, provider: str, mutual: str, authority: Authority, tmp_path: Path
) -> None:
    tls = authority.trusted | with_client(authority.client) | WRONG[says](authority)
    with pytest.raises(StoreError, match=says) as caught:
        made_by(provider, tmp_path, mutual, **tls)
    assert caught.value.cause is Cause.MILVUS_UNREACHABLE


def test_the_script_takes_tls_from_the_environment_when_run_by_hand(
    one_way: str, authority: Authority
) -> None:
    words = [*named(COLLECTION, "_default"), "--uri", one_way, "--check"]
    tls = {name.upper(): value for name, value in authority.trusted.items()}
    assert script(*words, **tls).answer["result"] == "exists"
    wrong = script(*words, **tls | {"MILVUS_CA_CERT": str(authority.other.certificate)})
    assert (wrong.code, wrong.answer["cause"]) == (1, "milvus_unreachable")
    # gRPC would write there, and in a worker beside its log.
    assert wrong.errors == ""


def unusable(authority: Authority) -> dict[str, dict[str, str]]:
    """What the message says, and the variables for it."""
    ca, cert, key = "MILVUS_CA_CERT", "MILVUS_CLIENT_CERT", "MILVUS_CLIENT_KEY"
    own, client = authority.own, authority.client
    uri, trusted = {"MILVUS_URI": "https://milvus"}, {ca: str(own.certificate)}
    pair = {cert: str(client.certificate), key: str(client.key)}
    return {
        f"{ca} needs TLS: the address of Milvus must begin with https://": trusted,
        "MILVUS_SERVER_NAME needs TLS": {"MILVUS_URI": "http://milvus", "MILVUS_SERVER_NAME": NAME},
        f"{ca} needs TLS": {"MILVUS_HOST": "milvus"} | trusted,
        f"{cert} needs {key} too": uri | trusted | {cert: pair[cert]},
        f"{key} needs {cert} too": uri | trusted | {key: pair[key]},
        f"{cert} needs {ca} too": uri | pair,
        f"{ca} names a file that cannot be read: No such file": uri | {ca: "/nowhere/ca.pem"},
        f"{ca} names a file that cannot be read: Is a directory": uri | {ca: "/"},
        f"{ca} names a file without a certificate in PEM": uri | {ca: str(own.key)},
        f"{cert} and {key} must name one pair in PEM": uri | trusted | pair | {key: str(own.key)},
        f"{key} is encrypted; decrypt it with": (
            uri | trusted | pair | {key: str(encrypted(client.key))}
        ),
        f"{key} names a file that cannot be read": (
            uri | trusted | pair | {key: client.key.read_text()}
        ),
    }


def test_the_start_is_refused_with_the_setting_and_the_remedy(
    authority: Authority, tmp_path: Path
) -> None:
    for says, variables in unusable(authority).items():
        with pytest.raises(SettingsError, match=rf"^Settings: {says}") as caught:
            load_settings(variables, tmp_path)
        assert "PRIVATE KEY" not in str(caught.value)
        if "MILVUS_HOST" not in variables:
            address = variables.get("MILVUS_URI", "http://127.0.0.1:1")
            refused = parsed({**variables, "MILVUS_URI": address})
            assert says in refused, says
            assert "PRIVATE KEY" not in refused


def parsed(variables: dict[str, str]) -> str:
    """What the script says of these variables."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), pytest.raises(SystemExit, match="2"):
        parse(named("c", "p"), variables)
    return said.getvalue()


def test_a_path_counts_from_the_project_when_it_is_relative(
    authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("MILVUS_URI=https://milvus\nMILVUS_CA_CERT=tls/ca.pem\n")
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls/ca.pem").write_text(authority.own.certificate.read_text())
    settings = load_settings({}, tmp_path)
    shown = settings.in_force()
    assert shown["MILVUS_CA_CERT"] == str(tmp_path / "tls/ca.pem")
    assert shown["MILVUS_CLIENT_KEY"] is None
    json.dumps(shown)


def test_the_message_names_the_setting_when_no_authority_is_given(
    one_way: str, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="not trusted, see MILVUS_CA_CERT"):
        made_by("sdk", tmp_path, one_way, milvus_server_name=NAME)


def test_the_snippet_connects_when_milvus_is_behind_tls(
    one_way: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MILVUS_URI", "MILVUS_TOKEN", "MILVUS_CA_CERT", "MILVUS_SERVER_NAME"):
        monkeypatch.delenv(name, raising=False)
    tls = {name.upper(): value for name, value in authority.trusted.items()}
    code = snippet_for(Place(one_way, COLLECTION, "_default", tls), None).insert
    assert 'server_pem_path=os.environ.get("MILVUS_CA_CERT") or "/' in code
    assert printed(code.replace("DIMENSION = 1536", "DIMENSION = 4")).startswith("1 ")
    # For an application on another machine, whose files lie elsewhere.
    elsewhere = dict.fromkeys(tls, "/nowhere")
    code = snippet_for(Place(one_way, COLLECTION, "_default", elsewhere), None).insert
    for name, value in tls.items():
        monkeypatch.setenv(name, value)
    assert printed(code.replace("DIMENSION = 1536", "DIMENSION = 4")).startswith("1 ")
