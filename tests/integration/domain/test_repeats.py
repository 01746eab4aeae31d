"""The keys of repeats in the database: taken once, waited for, let go of when they are old."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import insert, select, text

from tests.factories import ACTOR, ListingStore, Product, all_at_once
from webapp import idempotency
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.errors import KeyInUse, KeyMismatch
from webapp.idempotency import Answer, Key, Repeated, WithKey, prune
from webapp.models.idempotency import IdempotencyKey
from webapp.models.tenant import Tenant

KEY = Key("token:1", "key", "0" * 64)


def with_key(key: Key = KEY) -> WithKey:
    """What a call hands to its use case."""
    return WithKey(key, lambda tenant: Answer(201, f"tenant {tenant.id}"))


def create(product: Product, key: Key = KEY) -> str:
    try:
        product.create(idempotency=(mine := with_key(key)))
    except Repeated as repeated:
        return repeated.answer.body
    assert mine.answer is not None
    return mine.answer.body


def keys(product: Product, count: int, hours: float) -> None:
    row = {"owner": "token:1", "fingerprint": "", "status": 200, "body": ""}
    used = utc_now() - timedelta(hours=hours)
    rows = [{**row, "key": f"{hours}-{n}", "created_at": used} for n in range(count)]
    product.write(insert(IdempotencyKey), rows)


def left(product: Product) -> int:
    return len(product.select(select(IdempotencyKey.key)))


def test_one_takes_effect_when_many_come_at_once(product: Product) -> None:
    assert len(set(all_at_once([lambda: create(product)] * 8))) == 1
    assert len(product.states()) == 1


def test_next_one_takes_effect_when_the_first_is_rolled_back(product: Product) -> None:
    with pytest.raises(RuntimeError), Database(product.engine).transaction() as session:
        with_key().begin(session)
        raise RuntimeError("the process dies")
    assert create(product) == "tenant 1"


def test_key_is_refused_when_it_was_used_for_something_else(product: Product) -> None:
    create(product)
    with pytest.raises(KeyMismatch):
        create(product, Key(KEY.owner, KEY.text, "1" * 64))
    assert create(product, Key("user:1", KEY.text, "1" * 64)) == "tenant 2"
    assert product.events(2)[0].actor == ACTOR.name


@pytest.mark.parametrize("both_engines", ["postgresql"], indirect=True)
def test_repeat_is_told_to_come_again_when_the_first_takes_too_long(product: Product) -> None:
    database = Database(product.engine)
    for bound in ("lock_timeout", "statement_timeout"):
        with database.transaction() as first, pytest.raises(KeyInUse):
            with_key().begin(first)
            with database.transaction() as second:
                second.execute(text(f"SET LOCAL {bound} = '50ms'"))
                with_key().begin(second)
    assert product.select(select(Tenant.id)) == []


def test_one_takes_the_key_over_when_it_is_old_and_many_come_at_once(product: Product) -> None:
    keys(product, 1, 25)
    old = Key("token:1", "25-0", "0" * 64)
    assert set(all_at_once([lambda: create(product, old)] * 8)) == {"tenant 1"}


def test_old_keys_go_in_bounded_numbers_and_young_ones_stay(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "PRUNED_AT_ONCE", 10)
    monkeypatch.setattr(idempotency, "PRUNED_PER_SWEEP", 30)
    keys(product, 46, 24.1)
    keys(product, 2, 23.9)
    assert prune(product.database) == 30
    product.sweep(ListingStore())
    assert left(product) == 2


def test_pruning_uses_the_index_when_it_looks_for_old_keys(simple: Product) -> None:
    with simple.engine.connect() as connection:
        plan = connection.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT owner, key FROM idempotency_key "
                "WHERE created_at < '2000-01-01' ORDER BY created_at LIMIT 500"
            )
        ).all()
    assert "ix_idempotency_key_created_at" in str(plan)


def test_keys_are_pruned_and_taken_at_once(product: Product) -> None:
    keys(product, 200, 25)
    works: list[Callable[[], object]] = [partial(prune, product.database)] * 2
    works += [
        lambda n=n: create(product, Key("token:1", f"25-{n}", "0" * 64))  # type: ignore[misc]
        for n in range(12)
    ]
    results = all_at_once(works)
    assert [result for result in results if isinstance(result, Exception)] == []
    assert left(product) == 12
    assert len(product.states()) == 12
