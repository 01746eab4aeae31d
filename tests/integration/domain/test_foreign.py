"""Rows that were there before: refused, adopted or destroyed, and never taken for one's own."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import select

from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.script import ScriptAnswer
from jobs.milvus.store import StoreError
from jobs.provisioning.attempt import FailedAttempt
from jobs.provisioning.claims import Outcome
from tests.factories import ACTOR, FaultyStore, Product, all_at_once, no_script
from tests.milvus_collections import insert_rows
from webapp.errors import NotForeign, TenantNotFound
from webapp.models.audit import AuditEntry
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import IfExists, Provider, Result
from webapp.models.tenant import Tenant
from webapp.partitions.summary import adopted

DEAF = StoreError(Cause.MILVUS_UNREACHABLE, "nobody listens")


def occupy(product: Product, store: MilvusPartitionStore, tenant: Tenant | int, rows: int) -> None:
    """Let the tenant's partition exist already, with so many rows."""
    number = tenant if isinstance(tenant, int) else tenant.id
    collection = product.settings.milvus_collection
    store.create_partition(collection, f"tenant_{number}")
    if rows:
        insert_rows(product.settings.milvus_address, collection, f"tenant_{number}", rows)


@pytest.fixture
def foreign(whole: Product, store: MilvusPartitionStore) -> Tenant:
    """A new tenant whose partition held 3 rows, as a worker found it."""
    tenant = whole.create()
    occupy(whole, store, tenant, 3)
    whole.work(store)
    return tenant


def audit(product: Product) -> list[tuple[str, str, int | None]]:
    """Action, actor and tenant of the audit's entries, sign-ups apart."""
    decisions = select(AuditEntry).where(AuditEntry.action != "tenant.create")
    with product.engine.connect() as connection:
        rows = connection.execute(decisions.order_by(AuditEntry.id))
        return [(row.action, row.actor, row.tenant_id) for row in rows]


def attempt(
    product: Product,
    store: FaultyStore,
    claim: Partition,
    script: Callable[..., ScriptAnswer] = no_script,
) -> Outcome:
    return product.attempt(store, script, claim, threading.Event()).run(claim)


def test_attempt_fails_at_once_when_the_partition_holds_rows(
    whole: Product, store: MilvusPartitionStore, foreign: Tenant
) -> None:
    row = whole.row(foreign)
    assert (row.state, row.cause, row.attempts) == ("failed", "foreign_data", 1)
    assert "3 rows" in (row.error or "")
    assert store.count_rows(row.collection, row.name) == 3
    assert "fallback" not in whole.event_names(foreign)
    assert len(whole.failed_jobs()) == 1


def test_attempt_fails_when_nobody_knows_how_many_rows_there_are(
    whole: Product, store: MilvusPartitionStore
) -> None:
    class Mute(FaultyStore):
        def count_rows(self, collection: str, partition: str) -> int | None:
            return None

    tenant = whole.create()
    occupy(whole, store, tenant, 0)
    whole.work(Mute(store))
    assert whole.row(tenant).cause == "foreign_data"
    assert "an unknown number of rows" in (whole.row(tenant).error or "")


def test_attempt_is_tried_again_when_the_counting_got_no_answer(
    whole: Product, store: MilvusPartitionStore
) -> None:
    tenant = whole.create()
    occupy(whole, store, tenant, 3)
    whole.work(FaultyStore(store, counting=DEAF), no_script)
    assert (whole.row(tenant).state, whole.row(tenant).cause) == ("pending", "milvus_unreachable")


def test_rows_are_the_tenants_own_when_an_attempt_died_between_creation_and_record(
    whole: Product, store: MilvusPartitionStore
) -> None:
    """The tenant's application wrote as soon as the partition was there."""
    (dead,) = whole.claim(whole.create())
    whole.attempts.renew([dead], seen_absent=True)
    occupy(whole, store, dead.tenant_id, 5)
    whole.age(dead.tenant_id, "lease_until", 1)
    whole.repair.expire_leases()
    (claim,) = whole.claim(dead.tenant_id)
    watched = FaultyStore(store)
    assert attempt(whole, watched, claim) == Outcome(Result.CREATED, Provider.SDK)
    assert "count" not in watched.calls


def test_rows_are_the_tenants_own_when_the_script_made_the_partition_and_then_all_died(
    whole: Product, store: MilvusPartitionStore
) -> None:
    """The row learns of the absence before the script makes anything."""
    (claim,) = whole.claim(whole.create())

    def dies(collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        if check:
            return ScriptAnswer("absent")
        occupy(whole, store, claim.tenant_id, 5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(whole, FaultyStore(listing=DEAF), claim, dies)
    whole.attempts.hand_back([claim], "test")
    (again,) = whole.claim(claim.tenant_id)
    assert attempt(whole, FaultyStore(store), again).result == Result.CREATED


@pytest.mark.parametrize("rows", [2, None])
def test_scripts_word_does_not_do_when_rows_are_there_or_unknown(
    whole: Product, rows: int | None
) -> None:
    (claim,) = whole.claim(whole.create())

    def found(collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        return ScriptAnswer("exists" if check else "already_exists", rows)

    with pytest.raises(FailedAttempt) as caught:
        attempt(whole, FaultyStore(listing=DEAF), claim, found)
    assert (caught.value.cause, caught.value.provider) == ("foreign_data", "script")


@pytest.mark.parametrize("rows", [0, 3])
def test_real_script_counts_when_the_sdk_is_deaf(
    whole: Product, store: MilvusPartitionStore, rows: int
) -> None:
    tenant = whole.create()
    occupy(whole, store, tenant, rows)
    (claim,) = whole.claim(tenant)
    with whole.as_worker() as worker:
        one = partial(attempt, whole, FaultyStore(listing=DEAF), claim, worker.script)
        if not rows:
            assert one() == Outcome(Result.ALREADY_EXISTS, Provider.SCRIPT)
            return
        with pytest.raises(FailedAttempt, match="3 rows"):
            one()


def test_rows_stay_and_are_recorded_when_adopted(
    whole: Product, store: MilvusPartitionStore, foreign: Tenant
) -> None:
    shown = whole.services.foreign.adopt(foreign.id, actor=replace(ACTOR, request_id="r-1"))
    assert (shown.partition and shown.partition.state) == "pending"
    whole.work(store)
    row = whole.row(foreign)
    assert (row.state, row.result, row.adopted_rows) == ("ready", "already_exists", 3)
    assert row.if_exists == IfExists.REFUSE
    assert store.count_rows(row.collection, row.name) == 3
    assert whole.event_names(foreign)[-2:] == ["adopted", "already_exists"]
    assert whole.events(foreign)[-2].message == "3 rows"
    assert audit(whole) == [("tenant.adopt", ACTOR.name, foreign.id)]


def test_rows_are_destroyed_and_told_when_emptied(
    whole: Product, store: MilvusPartitionStore, foreign: Tenant
) -> None:
    whole.services.foreign.empty(foreign.id, actor=ACTOR)
    whole.work(store)
    row = whole.row(foreign)
    assert (row.state, row.result, row.adopted_rows) == ("ready", "created", None)
    assert row.seen_absent_at is not None
    assert row.if_exists == IfExists.REFUSE
    assert store.count_rows(row.collection, row.name) == 0
    assert whole.event_names(foreign)[-4:] == ["creating", "emptying", "emptied", "created"]
    assert whole.events(foreign)[-2].message == "3 rows dropped"
    assert audit(whole) == [("tenant.empty", ACTOR.name, foreign.id)]


def test_emptied_partition_is_proven_gone_when_the_drop_only_seems_to_work(
    whole: Product, store: MilvusPartitionStore, foreign: Tenant
) -> None:
    class Liar(FaultyStore):
        def drop_partition(self, collection: str, partition: str) -> None:
            """Success, and nothing done."""

    whole.services.foreign.empty(foreign.id, actor=ACTOR)
    whole.work(Liar(store), no_script)
    assert (whole.row(foreign).state, whole.row(foreign).cause) == ("pending", "unexpected")
    assert "emptied" not in whole.event_names(foreign)
    whole.change(foreign, next_attempt_at=None)
    whole.services.dispatcher.dispatch_due()
    (claim,) = whole.claim(foreign, whole.row(foreign).generation)
    assert attempt(whole, FaultyStore(store), claim).result == Result.CREATED


def test_nothing_is_dropped_when_the_tenant_was_deleted_meanwhile(
    whole: Product, store: MilvusPartitionStore, foreign: Tenant
) -> None:
    whole.services.foreign.empty(foreign.id, actor=ACTOR)
    (claim,) = whole.claim(foreign, whole.row(foreign).generation)
    watched = FaultyStore(store)
    watched.count_rows = lambda *names: (  # type: ignore[method-assign]
        whole.services.tenants.delete(foreign.id, actor=ACTOR) and store.count_rows(*names)
    )
    with pytest.raises(Exception, match=f"tenant {foreign.id}"):
        attempt(whole, watched, claim)
    assert store.count_rows(claim.collection, claim.name) == 3


def test_nobody_empties_by_the_script_when_the_sdk_is_deaf(
    whole: Product, store: MilvusPartitionStore, foreign: Tenant
) -> None:
    whole.services.foreign.empty(foreign.id, actor=ACTOR)
    (claim,) = whole.claim(foreign, whole.row(foreign).generation)

    def found(collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        return ScriptAnswer("exists" if check else "already_exists", 3)

    with pytest.raises(FailedAttempt) as caught:
        attempt(whole, FaultyStore(listing=DEAF), claim, found)
    assert caught.value.cause == Cause.MILVUS_UNREACHABLE


@pytest.mark.parametrize("decide", ["adopt", "empty"])
def test_plain_retry_inherits_nothing_when_an_old_request_was_to_adopt_or_empty(
    product: Product, decide: str
) -> None:
    tenant = product.create()
    product.fail(tenant, Cause.FOREIGN_DATA)
    getattr(product.services.foreign, decide)(tenant.id, actor=ACTOR)
    assert product.row(tenant).if_exists == decide
    product.fail(tenant, Cause.AUTH)
    product.services.tenants.retry(tenant.id, actor=ACTOR)
    row = product.row(tenant)
    assert (row.state, row.if_exists, row.generation) == ("pending", "refuse", 3)


def test_decision_lasts_when_the_sweep_reopens_its_request(product: Product) -> None:
    tenant = product.create()
    product.fail(tenant, Cause.FOREIGN_DATA)
    product.services.foreign.adopt(tenant.id, actor=ACTOR)
    product.fail(tenant, Cause.TIMEOUT)
    collection = product.settings.milvus_collection
    assert product.repair.reopen(collection, {Cause.TIMEOUT}) == 1
    (claim,) = product.claim(tenant, product.row(tenant).generation)
    assert claim.if_exists == IfExists.ADOPT


def test_decision_is_withdrawn_when_the_request_moves_to_another_collection(
    product: Product,
) -> None:
    tenant = product.create()
    product.fail(tenant, Cause.FOREIGN_DATA)
    product.services.foreign.empty(tenant.id, actor=ACTOR)
    elsewhere = product.configured(milvus_collection="another")
    assert elsewhere.repair.follow_collection() == 1
    assert product.row(tenant).if_exists == IfExists.REFUSE


def test_decision_is_refused_when_the_partition_did_not_fail_for_foreign_data(
    product: Product,
) -> None:
    tenant = product.create()
    with pytest.raises(NotForeign):
        product.services.foreign.adopt(tenant.id, actor=ACTOR)
    product.fail(tenant, Cause.AUTH)
    with pytest.raises(NotForeign):
        product.services.foreign.empty(tenant.id, actor=ACTOR)
    with pytest.raises(TenantNotFound):
        product.services.foreign.empty(99, actor=ACTOR)
    assert audit(product) == []
    assert product.row(tenant).state == "failed"


def test_one_decision_counts_when_two_are_made_at_once(product: Product) -> None:
    tenant = product.create()
    product.fail(tenant, Cause.FOREIGN_DATA)
    foreign = product.services.foreign
    results = all_at_once(
        [partial(decide, tenant.id, actor=ACTOR) for decide in (foreign.adopt, foreign.empty)]
    )
    assert sorted(isinstance(result, NotForeign) for result in results) == [False, True]
    assert len(audit(product)) == 1
    assert product.row(tenant).generation == 2


def test_audit_tells_before_and_after_when_a_decision_is_made(simple: Product) -> None:
    tenant = simple.create()
    simple.fail(tenant, Cause.FOREIGN_DATA)
    simple.services.foreign.adopt(tenant.id, actor=replace(ACTOR, request_id="r-1"))
    with simple.engine.connect() as connection:
        adopted = select(AuditEntry).where(AuditEntry.action == "tenant.adopt")
        entry = connection.execute(adopted).one()
    assert json.loads(entry.before) == {"status": "failed", "error": "as the test has it"}
    after = {"status": "pending", "if_exists": "adopt", "partition": f"tenant_{tenant.id}"}
    assert (json.loads(entry.after), entry.request_id) == (after, "r-1")


# Chunks.


def test_only_doubtful_ones_are_counted_in_one_call_when_a_chunk_finds_them(
    whole: Product, store: MilvusPartitionStore
) -> None:
    numbers = [whole.create(f"T{n}").id for n in range(4)]
    for number, rows in zip(numbers, (0, 2, 2, 2), strict=True):
        occupy(whole, store, number, rows)
    whole.age(numbers[3], "ready_at", 5)
    whole.change(numbers[2], if_exists=IfExists.ADOPT)
    watched = FaultyStore(store)
    whole.chunk(watched).run(whole.attempts.claim([(n, 1) for n in numbers], "chunk"))
    assert whole.states() == ["ready", "pending", "ready", "ready"]
    assert watched.calls.count("count each") == 1
    assert "count" not in watched.calls
    assert [whole.row(n).adopted_rows for n in numbers] == [None, None, 2, None]
    assert whole.event_names(numbers[1])[-1] == "handed_back"
    whole.services.dispatcher.dispatch_due()
    whole.work(store)
    assert whole.row(numbers[1]).cause == "foreign_data"


def test_many_adopt_their_own_numbers_of_rows_when_a_chunk_records_them(
    whole: Product, store: MilvusPartitionStore
) -> None:
    numbers = [whole.create(f"T{n}").id for n in range(3)]
    for number in numbers:
        occupy(whole, store, number, number + 1)
        whole.change(number, if_exists=IfExists.ADOPT)
    whole.chunk(store).run(whole.attempts.claim([(n, 1) for n in numbers], "chunk"))
    assert [whole.row(n).adopted_rows for n in numbers] == [n + 1 for n in numbers]
    assert {whole.row(n).if_exists for n in numbers} == {"refuse"}


def test_chunk_is_handed_back_when_the_counting_got_no_answer(
    whole: Product, store: MilvusPartitionStore
) -> None:
    tenant = whole.create()
    occupy(whole, store, tenant, 1)
    whole.chunk(FaultyStore(store, counting=DEAF)).run(whole.claim(tenant))
    assert whole.states() == ["pending"]


# Backfill.


def dispatch(product: Product, *, adopt: bool, tenant_ids: list[int] | None = None) -> int:
    return product.backfill(tenant_ids, adopt=adopt).accepted


def test_imported_tenants_adopt_when_the_backfill_says_so(
    whole: Product, store: MilvusPartitionStore
) -> None:
    numbers = whole.imported_tenants(3)
    for number in numbers[:2]:
        occupy(whole, store, number, 4)
    operation = whole.backfill(adopt=True)
    whole.work(store)
    assert whole.states() == ["ready"] * 3
    with whole.services.database.reading() as session:
        taken = adopted(session, Partition.operation_id == operation.id)
    assert (taken.tenants, taken.rows) == (2, 8)


def test_imported_tenants_are_refused_first_and_adopt_later_when_told_to(
    whole: Product, store: MilvusPartitionStore
) -> None:
    numbers = whole.imported_tenants(2)
    for number in numbers:
        occupy(whole, store, number, 1)
    dispatch(whole, adopt=False)
    whole.work(store)
    whole.services.dispatcher.dispatch_due()
    whole.work(store)
    assert whole.states() == ["failed"] * 2
    assert dispatch(whole, adopt=False) == 0
    assert dispatch(whole, adopt=True) == 2
    whole.work(store)
    assert whole.states() == ["ready"] * 2


def test_tenant_that_signed_up_adopts_nothing_when_a_backfill_adopts_for_all(
    product: Product,
) -> None:
    for name, cause in (("foreign", Cause.FOREIGN_DATA), ("transient", Cause.TIMEOUT)):
        product.fail(product.create(name), cause)
    assert dispatch(product, adopt=True) == 1
    assert product.states() == ["failed", "pending"]
    assert product.row(2).if_exists == IfExists.REFUSE
    assert dispatch(product, adopt=True, tenant_ids=[1]) == 1
    assert product.row(1).if_exists == IfExists.ADOPT


def test_waiting_request_adopts_when_a_later_backfill_says_so(
    product: Product,
) -> None:
    (number,) = product.imported_tenants(1)
    dispatch(product, adopt=False)
    product.age(number, "dispatch_after", 1)
    dispatch(product, adopt=True)
    row = product.row(number)
    assert (row.if_exists, row.generation) == (IfExists.ADOPT, 1)
