"""Rows that were there before: refused, adopted or destroyed, and never taken for one's own."""

import json
from dataclasses import replace
from functools import partial

import pytest

from jobs.milvus.script import ScriptAnswer
from jobs.milvus.store import StoreError
from jobs.provisioning.attempt import FailedAttempt, Script
from jobs.provisioning.claims import Outcome
from tests.factories import ACTOR, FaultyStore, Product, all_at_once, no_script
from webapp.errors import NotForeign, TenantNotFound
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import IfExists, Provider, Result
from webapp.models.tenant import Tenant
from webapp.partitions.summary import adopted

DEAF = StoreError(Cause.MILVUS_UNREACHABLE, "nobody listens")


@pytest.fixture
def foreign(whole: Product) -> Tenant:
    """A new tenant whose partition held 3 rows, as a worker found it."""
    tenant = whole.create()
    whole.occupy(tenant, 3)
    whole.work()
    return tenant


def decisions(product: Product) -> list[tuple[str, str, int | None]]:
    """Action, actor and tenant of the audit's entries, sign-ups apart."""
    entries = [entry for entry in product.audited() if entry.action != "tenant.create"]
    return [(entry.action, entry.actor, entry.tenant_id) for entry in entries]


def emptying(product: Product, tenant: Tenant) -> Partition:
    """An attempt that is to empty the tenant's partition."""
    product.services.foreign.empty(tenant.id, actor=ACTOR)
    (claim,) = product.claim(tenant, product.row(tenant).generation)
    return claim


def script_found(rows: int | None) -> Script:
    def found(collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        return ScriptAnswer("exists" if check else "already_exists", rows)

    return found


def test_attempt_fails_at_once_when_the_partition_holds_rows(
    whole: Product, foreign: Tenant
) -> None:
    row = whole.row(foreign)
    assert (row.state, row.cause, row.attempts) == ("failed", "foreign_data", 1)
    assert "3 rows" in (row.error or "")
    assert whole.store.count_rows(row.collection, row.name) == 3
    assert "fallback" not in whole.event_names(foreign)
    assert len(whole.failed_jobs()) == 1


def test_attempt_fails_when_nobody_knows_how_many_rows_there_are(whole: Product) -> None:
    class Mute(FaultyStore):
        def count_rows(self, collection: str, partition: str) -> int | None:
            return None

    tenant = whole.create()
    whole.occupy(tenant, 0)
    whole.work(Mute(whole.store))
    assert whole.row(tenant).cause == "foreign_data"
    assert "an unknown number of rows" in (whole.row(tenant).error or "")


def test_attempt_is_tried_again_when_the_counting_got_no_answer(whole: Product) -> None:
    tenant = whole.create()
    whole.occupy(tenant, 3)
    whole.work(FaultyStore(whole.store, counting=DEAF), no_script)
    assert (whole.row(tenant).state, whole.row(tenant).cause) == ("pending", "milvus_unreachable")


def test_rows_are_the_tenants_own_when_an_attempt_died_before_its_record(whole: Product) -> None:
    """The tenant's application wrote as soon as the partition was there."""
    (dead,) = whole.claim(whole.create())
    whole.attempts.renew([dead], seen_absent=True)
    whole.occupy(dead.tenant_id, 5)
    whole.age(dead.tenant_id, "lease_until", 1)
    whole.repair.expire_leases()
    (claim,) = whole.claim(dead.tenant_id)
    watched = FaultyStore(whole.store)
    assert whole.attempt(watched, claim) == Outcome(Result.CREATED, Provider.SDK)
    assert "count" not in watched.calls


def test_rows_are_the_tenants_own_when_the_script_died_after_it_made_it(whole: Product) -> None:
    """The row learns of the absence before the script makes anything."""
    (claim,) = whole.claim(whole.create())

    def dies(collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        if check:
            return ScriptAnswer("absent")
        whole.occupy(claim.tenant_id, 5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        whole.attempt(FaultyStore(listing=DEAF), claim, dies)
    whole.attempts.hand_back([claim], "test")
    (again,) = whole.claim(claim.tenant_id)
    assert whole.attempt(FaultyStore(whole.store), again).result == Result.CREATED


@pytest.mark.parametrize("rows", [2, None])
def test_scripts_word_does_not_do_when_rows_are_there_or_unknown(
    whole: Product, rows: int | None
) -> None:
    (claim,) = whole.claim(whole.create())
    with pytest.raises(FailedAttempt) as caught:
        whole.attempt(FaultyStore(listing=DEAF), claim, script_found(rows))
    assert (caught.value.cause, caught.value.provider) == ("foreign_data", "script")


def test_real_script_counts_when_the_sdk_is_deaf(whole: Product) -> None:
    deaf, tenants = FaultyStore(listing=DEAF), [whole.create() for _ in range(2)]
    for tenant, rows in zip(tenants, (0, 3), strict=True):
        whole.occupy(tenant, rows)
    (empty,), (full,) = (whole.claim(tenant) for tenant in tenants)
    with whole.as_worker() as worker:
        found = Outcome(Result.ALREADY_EXISTS, Provider.SCRIPT)
        assert whole.attempt(deaf, empty, worker.script) == found
        with pytest.raises(FailedAttempt, match="3 rows"):
            whole.attempt(deaf, full, worker.script)


def test_rows_stay_and_are_recorded_when_adopted(whole: Product, foreign: Tenant) -> None:
    error = whole.row(foreign).error
    shown = whole.services.foreign.adopt(foreign.id, actor=replace(ACTOR, request_id="r-1"))
    assert (shown.partition and shown.partition.state) == "pending"
    whole.work()
    row = whole.row(foreign)
    assert (row.state, row.result, row.adopted_rows) == ("ready", "already_exists", 3)
    assert row.if_exists == IfExists.REFUSE
    assert whole.store.count_rows(row.collection, row.name) == 3
    assert whole.event_names(foreign)[-2:] == ["adopted", "already_exists"]
    assert whole.events(foreign)[-2].message == "3 rows"
    assert decisions(whole) == [("tenant.adopt", ACTOR.name, foreign.id)]
    (entry,) = whole.audited("tenant.adopt")
    assert json.loads(entry.before or "") == {"status": "failed", "error": error}
    after = {"status": "pending", "if_exists": "adopt", "partition": f"tenant_{foreign.id}"}
    assert (json.loads(entry.after or ""), entry.request_id) == (after, "r-1")


def test_rows_are_destroyed_and_told_when_emptied(whole: Product, foreign: Tenant) -> None:
    whole.services.foreign.empty(foreign.id, actor=ACTOR)
    whole.work()
    row = whole.row(foreign)
    assert (row.state, row.result, row.adopted_rows) == ("ready", "created", None)
    assert row.seen_absent_at is not None
    assert row.if_exists == IfExists.REFUSE
    assert whole.store.count_rows(row.collection, row.name) == 0
    assert whole.event_names(foreign)[-4:] == ["creating", "emptying", "emptied", "created"]
    assert whole.events(foreign)[-2].message == "3 rows dropped"
    assert decisions(whole) == [("tenant.empty", ACTOR.name, foreign.id)]


def test_emptied_partition_is_proven_gone_when_the_drop_only_seems_to_work(
    whole: Product, foreign: Tenant
) -> None:
    whole.services.foreign.empty(foreign.id, actor=ACTOR)
    whole.work(FaultyStore(whole.store, lies=True), no_script)
    assert (whole.row(foreign).state, whole.row(foreign).cause) == ("pending", "unexpected")
    assert "emptied" not in whole.event_names(foreign)
    whole.change(foreign, next_attempt_at=None)
    whole.services.dispatcher.dispatch_due()
    (claim,) = whole.claim(foreign, whole.row(foreign).generation)
    assert whole.attempt(FaultyStore(whole.store), claim).result == Result.CREATED


def test_nothing_is_dropped_when_the_tenant_was_deleted_meanwhile(
    whole: Product, foreign: Tenant
) -> None:
    claim = emptying(whole, foreign)
    watched = FaultyStore(whole.store)
    watched.count_rows = lambda *names: (  # type: ignore[method-assign]
        whole.services.tenants.delete(foreign.id, actor=ACTOR) and whole.store.count_rows(*names)
    )
    with pytest.raises(Exception, match=f"tenant {foreign.id}"):
        whole.attempt(watched, claim)
    assert whole.store.count_rows(claim.collection, claim.name) == 3


def test_nobody_empties_by_the_script_when_the_sdk_is_deaf(whole: Product, foreign: Tenant) -> None:
    claim = emptying(whole, foreign)
    with pytest.raises(FailedAttempt) as caught:
        whole.attempt(FaultyStore(listing=DEAF), claim, script_found(3))
    assert caught.value.cause == Cause.MILVUS_UNREACHABLE


@pytest.mark.parametrize("decide", ["adopt", "empty"])
def test_plain_retry_inherits_nothing_when_an_old_request_was_to_adopt_or_empty(
    simple: Product, decide: str
) -> None:
    tenant = simple.create_failed(Cause.FOREIGN_DATA)
    getattr(simple.services.foreign, decide)(tenant.id, actor=ACTOR)
    assert simple.row(tenant).if_exists == decide
    simple.fail(tenant, Cause.AUTH)
    simple.services.tenants.retry(tenant.id, actor=ACTOR)
    row = simple.row(tenant)
    assert (row.state, row.if_exists, row.generation) == ("pending", "refuse", 3)


def test_decision_lasts_when_the_sweep_reopens_its_request(simple: Product) -> None:
    tenant = simple.create_failed(Cause.FOREIGN_DATA)
    simple.services.foreign.adopt(tenant.id, actor=ACTOR)
    simple.fail(tenant, Cause.TIMEOUT)
    assert simple.repair.reopen(simple.collection, {Cause.TIMEOUT}) == 1
    assert simple.row(tenant).if_exists == IfExists.ADOPT
    elsewhere = simple.configured(milvus_collection="another")
    assert elsewhere.repair.follow_collection() == 1
    assert simple.row(tenant).if_exists == IfExists.REFUSE


def test_decision_is_refused_when_there_are_no_foreign_data(simple: Product) -> None:
    tenant = simple.create()
    with pytest.raises(NotForeign):
        simple.services.foreign.adopt(tenant.id, actor=ACTOR)
    simple.fail(tenant, Cause.AUTH)
    with pytest.raises(NotForeign):
        simple.services.foreign.empty(tenant.id, actor=ACTOR)
    with pytest.raises(TenantNotFound):
        simple.services.foreign.empty(99, actor=ACTOR)
    assert decisions(simple) == []
    assert simple.row(tenant).state == "failed"


def test_one_decision_counts_when_two_are_made_at_once(product: Product) -> None:
    tenant = product.create_failed(Cause.FOREIGN_DATA)
    foreign = product.services.foreign
    results = all_at_once(
        [partial(decide, tenant.id, actor=ACTOR) for decide in (foreign.adopt, foreign.empty)]
    )
    assert sorted(isinstance(result, NotForeign) for result in results) == [False, True]
    assert len(decisions(product)) == 1
    assert product.row(tenant).generation == 2


# Chunks.


def test_only_doubtful_ones_are_counted_in_one_call_when_a_chunk_finds_them(whole: Product) -> None:
    numbers = [whole.create(f"T{n}").id for n in range(4)]
    for number, rows in zip(numbers, (0, 2, 2, 2), strict=True):
        whole.occupy(number, rows)
    whole.age(numbers[3], "ready_at", 5)
    whole.change(numbers[2], if_exists=IfExists.ADOPT)
    watched = FaultyStore(whole.store)
    whole.chunk(watched).run(whole.attempts.claim([(n, 1) for n in numbers], "chunk"))
    assert whole.states() == ["ready", "pending", "ready", "ready"]
    assert watched.calls.count("count each") == 1
    assert "count" not in watched.calls
    assert [whole.row(n).adopted_rows for n in numbers] == [None, None, 2, None]
    assert whole.event_names(numbers[1])[-1] == "handed_back"
    whole.services.dispatcher.dispatch_due()
    whole.work()
    assert whole.row(numbers[1]).cause == "foreign_data"


def test_many_adopt_their_own_numbers_of_rows_when_a_chunk_records_them(whole: Product) -> None:
    numbers = [whole.create(f"T{n}").id for n in range(3)]
    for number in numbers:
        whole.occupy(number, number + 1)
        whole.change(number, if_exists=IfExists.ADOPT)
    whole.chunk(whole.store).run(whole.attempts.claim([(n, 1) for n in numbers], "chunk"))
    assert [whole.row(n).adopted_rows for n in numbers] == [n + 1 for n in numbers]
    assert {whole.row(n).if_exists for n in numbers} == {"refuse"}


def test_chunk_is_handed_back_when_the_counting_got_no_answer(whole: Product) -> None:
    tenant = whole.create()
    whole.occupy(tenant, 1)
    whole.chunk(FaultyStore(whole.store, counting=DEAF)).run(whole.claim(tenant))
    assert whole.states() == ["pending"]


# Backfill.


def test_imported_tenants_are_refused_first_and_adopt_later_when_told_to(whole: Product) -> None:
    numbers = whole.imported_tenants(3)
    for number in numbers[:2]:
        whole.occupy(number, 4)
    whole.backfill()
    whole.work()
    whole.services.dispatcher.dispatch_due()
    whole.work()
    assert whole.states() == ["failed", "failed", "ready"]
    assert whole.backfill().accepted == 0
    operation = whole.backfill(adopt=True)
    assert operation.accepted == 2
    whole.work()
    assert whole.states() == ["ready"] * 3
    taken = whole.read(adopted, Partition.operation_id == operation.id)
    assert (taken.tenants, taken.rows) == (2, 8)


def test_sign_up_adopts_nothing_when_a_backfill_adopts_for_all(simple: Product) -> None:
    for name, cause in (("foreign", Cause.FOREIGN_DATA), ("transient", Cause.TIMEOUT)):
        simple.fail(simple.create(name), cause)
    assert simple.backfill(adopt=True).accepted == 1
    assert simple.states() == ["failed", "pending"]
    assert simple.row(2).if_exists == IfExists.REFUSE
    assert simple.backfill([1], adopt=True).accepted == 1
    assert simple.row(1).if_exists == IfExists.ADOPT


def test_waiting_request_adopts_when_a_later_backfill_says_so(simple: Product) -> None:
    (number,) = simple.imported_tenants(1)
    simple.backfill()
    simple.age(number, "dispatch_after", 1)
    simple.backfill(adopt=True)
    row = simple.row(number)
    assert (row.if_exists, row.generation) == (IfExists.ADOPT, 1)
