"""MILVUS_COLLECTION is an alias: what was made in one collection is never judged by another."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from pymilvus import MilvusClient
from sqlalchemy.orm import Session

from tests.factories import Product
from tests.integration.domain.commands import runner
from tests.milvus_collections import insert_rows, make_collection
from webapp.models.observed import ObservedCollection
from webapp.models.states import PartitionState
from webapp.partitions.drift import known_drift


@dataclass
class Aliased:
    """A product whose collection is an alias, and two collections that it may stand for."""

    product: Product
    client: MilvusClient
    old: str
    new: str

    def move(self, to: str) -> None:
        """Let the alias stand for another collection."""
        self.client.alter_alias(to, self.product.collection)

    def sweep(self) -> None:
        self.product.sweep()
        self.product.work()

    def observed(self) -> ObservedCollection:
        return self.product.read(Session.get_one, ObservedCollection, self.product.collection)

    def names(self, collection: str) -> set[str]:
        return set(self.product.store.list_partitions(collection)) - {"_default"}


@pytest.fixture
def aliased(placed: Product) -> Iterator[Aliased]:
    """A tenant that is ready, in the collection that the alias stands for, seen by a sweep."""
    uri, alias = placed.settings.milvus_address, f"a_{uuid.uuid4().hex}"
    product = placed.configured(milvus_collection=alias, milvus_timeout=10)
    with closing(MilvusClient(uri, timeout=10, dedicated=True)) as client:
        client.create_alias(placed.collection, alias)
        product.create()
        product.work()
        insert_rows(uri, alias, "tenant_1", 3)
        it = Aliased(product, client, placed.collection, make_collection(uri))
        it.sweep()
        yield it


# Numbers of collections are large; the rest is the same on each database.
on_sqlite = pytest.mark.parametrize("both_engines", ["sqlite"], indirect=True)


def test_name_of_its_own_is_known_when_a_collection_goes_by_an_alias(aliased: Aliased) -> None:
    seen = aliased.observed()
    assert (seen.real_name, seen.moved_to, seen.cause) == (aliased.old, None, None)
    assert seen.collection_id == aliased.client.describe_collection(aliased.old)["collection_id"]


@on_sqlite
def test_nothing_is_changed_while_the_alias_stands_for_another(aliased: Aliased) -> None:
    product = aliased.product
    aliased.move(aliased.new)
    aliased.sweep()
    assert product.row(1).state == PartitionState.READY
    (compared,) = product.read(known_drift, product.services.policy).collections
    assert compared.moved_to == aliased.new
    product.delete(1)
    assert product.remove_due() == 0
    aliased.sweep()
    assert product.row(1).state == PartitionState.REMOVING
    assert product.departure(1).outcome is None
    assert (aliased.names(aliased.old), aliased.names(aliased.new)) == ({"tenant_1"}, set())
    seen = aliased.observed()
    assert (seen.real_name, seen.moved_to) == (aliased.old, aliased.new)
    assert seen.cause == "collection_moved"
    aliased.move(aliased.old)
    assert product.remove_due() == 1
    assert aliased.names(aliased.old) == set()
    record = product.departure(1)
    assert (record.outcome, record.rows) == ("dropped", 3)
    assert record.real_collection == aliased.old
    aliased.sweep()
    assert aliased.observed().moved_to is None


@on_sqlite
def test_nothing_is_called_gone_when_the_alias_was_dropped(aliased: Aliased) -> None:
    aliased.client.drop_alias(aliased.product.collection)
    aliased.product.delete(1)
    assert aliased.product.remove_due() == 0
    assert aliased.product.departure(1).outcome is None
    aliased.sweep()
    assert aliased.observed().cause == "collection_moved"
    aliased.client.drop_collection(aliased.old)
    assert aliased.product.remove_due() == 1


@on_sqlite
def test_verify_names_the_move_until_a_human_accepts_it(aliased: Aliased) -> None:
    verify = runner(aliased.product)
    aliased.move(aliased.new)
    refused = verify("partitions", "verify", "--repair")
    assert refused.exit_code == 3
    assert f"stands for {aliased.new} now" in refused.stderr
    assert aliased.names(aliased.new) == set()
    accepted = verify("partitions", "verify", "--accept-moved", "--json")
    assert accepted.exit_code == 1
    assert [each["partition"] for each in json.loads(accepted.stdout)["missing"]] == ["tenant_1"]
    assert aliased.observed().real_name == aliased.new
    (entry,) = aliased.product.audited("partitions.accept_moved")
    assert json.loads(entry.after or "") == {"stands_for": aliased.new}
    aliased.sweep()
    aliased.sweep()
    assert aliased.names(aliased.new) == {"tenant_1"}
