"""What follows a commit: done once, in order, and not at all where nothing was committed."""

import pytest

from tests.factories import Product


def test_effects_follow_the_commit_in_their_order(simple: Product) -> None:
    done: list[str] = []
    with simple.services.database.transaction() as work:
        work.after_commit(lambda: done.append("first"))
        work.after_commit(lambda: done.append("second"))
        assert done == []
    assert done == ["first", "second"]


def test_nothing_follows_when_the_transaction_is_rolled_back(simple: Product) -> None:
    done: list[str] = []
    with pytest.raises(ZeroDivisionError), simple.services.database.transaction() as work:
        work.after_commit(lambda: done.append("never"))
        raise ZeroDivisionError
    assert done == []


def test_effect_may_begin_a_transaction_of_its_own(simple: Product) -> None:
    """On SQLite, which has one writer, it would wait for ever within the first."""

    def write() -> None:
        with simple.services.database.transaction() as inner:
            inner.after_commit(lambda: done.append("inner"))

    done: list[str] = []
    with simple.services.database.transaction() as work:
        work.after_commit(write)
    assert done == ["inner"]
