"""Why a database takes no writes, by what its driver says."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from webapp.db.refusals import WriteRefusal, refusal_of, said_refusal


def refused(path: Path, *before: str) -> OperationalError:
    """What SQLite says to a write, after these statements."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        for statement in before:
            connection.execute(statement)
        try:
            connection.execute("INSERT INTO one VALUES (randomblob(100000))")
        except sqlite3.Error as error:
            return OperationalError("INSERT", {}, error)
    raise AssertionError("it was written")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "one.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE one (content)")
    return path


def test_sqlite_says_that_it_is_locked_full_or_read_only(path: Path) -> None:
    assert refusal_of(refused(path, "PRAGMA query_only=1")) == WriteRefusal.READ_ONLY
    assert refusal_of(refused(path, "PRAGMA max_page_count=1")) == WriteRefusal.FULL
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert said_refusal(refused(path)) == WriteRefusal.LOCKED


@pytest.mark.parametrize(
    ("error", "said", "why"),
    [
        (psycopg.errors.ReadOnlySqlTransaction(), WriteRefusal.READ_ONLY, WriteRefusal.READ_ONLY),
        (psycopg.errors.DiskFull(), WriteRefusal.FULL, WriteRefusal.FULL),
        (psycopg.errors.QueryCanceled(), WriteRefusal.HANGS, WriteRefusal.HANGS),
        (psycopg.OperationalError("no answer within 3.0 s"), None, WriteRefusal.HANGS),
        (psycopg.errors.UndefinedTable(), None, WriteRefusal.OTHER),
        (ValueError("of our own"), None, WriteRefusal.OTHER),
    ],
)
def test_postgresql_says_why_or_does_not_answer_the_write(
    error: Exception, said: WriteRefusal | None, why: WriteRefusal
) -> None:
    wrapped = OperationalError("INSERT", {}, error)
    assert (said_refusal(wrapped), refusal_of(wrapped)) == (said, why)
    assert why.label and why.remedy
