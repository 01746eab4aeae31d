"""MILVUS_COLLECTION is an alias: what was made in one collection is never judged by another."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pymilvus import MilvusClient
from sqlalchemy import select

from jobs.milvus.client import MilvusPartitionStore
from tests.factories import Product, empty, open_engine, settings_for
from tests.integration.domain.test_cli_partitions import runner
from tests.milvus_collections import insert_rows, make_collection
from webapp.logs import configure_logging
from webapp.models.audit import AuditEntry
from webapp.models.observed import ObservedCollection
from webapp.models.states import PartitionState
from webapp.partitions.drift import known_drift


@dataclass
class Aliased:
    """A product whose collection is an alias, and two collections that it may stand for."""

    product: Product
    store: MilvusPartitionStore
    client: MilvusClient
    old: str
    new: str

    @property
    def alias(self) -> str:
        return self.product.settings.milvus_collection

    def move(self, to: str) -> None:
        """Let the alias stand for another collection."""
        self.client.alter_alias(to, self.alias)

    def sweep(self) -> None:
        self.product.sweep(self.store)
        self.product.work(self.store)

    def observed(self) -> ObservedCollection:
        with self.product.database.reading() as session:
            return session.get_one(ObservedCollection, self.alias)

    def names(self, collection: str) -> set[str]:
        return set(self.store.list_partitions(collection)) - {"_default"}


# Only what is read of Milvus and what is kept of it differ from engine to engine.
on_every_engine = pytest.mark.parametrize(
    "aliased",
    ["sqlite-milvus_lite", "postgresql-milvus_lite", "sqlite-milvus_standalone"],
    indirect=True,
)


@pytest.fixture(params=["sqlite-milvus_lite"])
def aliased(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[Aliased]:
    """A tenant that is ready, in the collection that the alias stands for, seen by a sweep."""
    database, _, milvus = request.param.partition("-")
    uri = request.getfixturevalue(milvus).uri
    url = request.getfixturevalue(f"{database}_url")
    engine = open_engine(url)
    alias, old, new = f"a_{uuid.uuid4().hex}", make_collection(uri), make_collection(uri)
    settings = settings_for(
        tmp_path,
        database_url=url,
        redis_url=redis_url,
        milvus_uri=uri,
        milvus_collection=alias,
        milvus_timeout=10,
    )
    client = MilvusClient(uri, timeout=10, dedicated=True)
    client.create_alias(old, alias)
    store = MilvusPartitionStore(uri, "", 10)
    it = Aliased(Product(settings, engine), store, client, old, new)
    it.product.create()
    it.product.work(store)
    insert_rows(uri, old, "tenant_1", 3)
    it.sweep()
    yield it
    store.close()
    client.close()
    empty(engine)
    engine.dispose()


@on_every_engine
def test_name_of_its_own_is_known_when_a_collection_goes_by_an_alias(aliased: Aliased) -> None:
    seen = aliased.observed()
    assert (seen.real_name, seen.moved_to, seen.cause) == (aliased.old, None, None)
    assert seen.collection_id == aliased.client.describe_collection(aliased.old)["collection_id"]


@on_every_engine
def test_nothing_is_dropped_or_made_again_while_the_alias_stands_for_another(
    aliased: Aliased,
) -> None:
    aliased.move(aliased.new)
    aliased.product.delete(1)
    assert aliased.product.remove_due(aliased.store) == 0
    aliased.sweep()
    assert aliased.product.row(1).state == PartitionState.REMOVING
    assert aliased.product.departure(1).outcome is None
    assert (aliased.names(aliased.old), aliased.names(aliased.new)) == ({"tenant_1"}, set())
    seen = aliased.observed()
    assert (seen.real_name, seen.moved_to) == (aliased.old, aliased.new)
    assert seen.cause == "collection_moved"
    aliased.move(aliased.old)
    assert aliased.product.remove_due(aliased.store) == 1
    assert aliased.names(aliased.old) == set()
    record = aliased.product.departure(1)
    assert (record.outcome, record.rows) == ("dropped", 3)
    assert record.real_collection == aliased.old
    aliased.sweep()
    assert aliased.observed().moved_to is None


def test_ready_tenant_is_not_made_again_in_the_other_collection(aliased: Aliased) -> None:
    aliased.move(aliased.new)
    aliased.sweep()
    assert aliased.product.row(1).state == PartitionState.READY
    assert aliased.names(aliased.new) == set()
    with aliased.product.database.reading() as session:
        (compared,) = known_drift(session, aliased.product.services.policy).collections
    assert compared.moved_to == aliased.new


def test_nothing_is_called_gone_when_the_alias_was_dropped(aliased: Aliased) -> None:
    aliased.client.drop_alias(aliased.alias)
    aliased.product.delete(1)
    assert aliased.product.remove_due(aliased.store) == 0
    assert aliased.product.departure(1).outcome is None
    aliased.sweep()
    assert aliased.observed().cause == "collection_moved"
    aliased.client.drop_collection(aliased.old)
    assert aliased.product.remove_due(aliased.store) == 1


def test_verify_names_the_move_until_a_human_accepts_it(aliased: Aliased) -> None:
    verify = runner(aliased.product)
    aliased.move(aliased.new)
    refused = verify("partitions", "verify", "--repair")
    assert refused.exit_code == 3
    assert f"stands for {aliased.new} now" in refused.stderr
    assert aliased.names(aliased.new) == set()
    accepted = verify("partitions", "verify", "--accept-moved", "--json")
    configure_logging(aliased.product.settings, "stderr")
    assert accepted.exit_code == 1
    assert [each["partition"] for each in json.loads(accepted.stdout)["missing"]] == ["tenant_1"]
    assert aliased.observed().real_name == aliased.new
    entry = select(AuditEntry.after).where(AuditEntry.action == "partitions.accept_moved")
    with aliased.product.engine.connect() as connection:
        assert json.loads(connection.scalars(entry).one()) == {"stands_for": aliased.new}
    aliased.sweep()
    aliased.sweep()
    assert aliased.names(aliased.new) == {"tenant_1"}
