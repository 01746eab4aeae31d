"""The staged faults behind the conditions, each on the running product and its real engines."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from redis import Redis

from jobs.milvus.client import VECTOR_DIMENSIONS, create_collection_if_missing
from tests.acceptance.running import ROOT
from tests.chaos.records import COLLECTION
from tests.chaos.target import Target
from tests.engines.process import wait_until
from webapp.db.schema_revision import wanted_revision

RAISED_WITHIN_S = 30.0
# What is seen of Milvus is seen by a sweep, whose calls have a deadline each.
OBSERVED_WITHIN_S = 40.0
EVERY = ("readyz", "api", "panel", "doctor", "log")
STEP_WITHIN_S = 60.0

During = Callable[[Target], AbstractContextManager[object]]


@dataclass(frozen=True)
class Story:
    """A fault that is present while `during` runs, and the condition that it must be told by."""

    key: str
    fault: str
    during: During
    raised_within_s: float = RAISED_WITHIN_S
    surfaces: Sequence[str] = EVERY
    only_on: str | None = None

    def named_by(self, surfaces: Sequence[str]) -> "Story":
        """The same story, asked of these surfaces alone."""
        return replace(self, surfaces=surfaces)


def _frozen(part: str) -> During:
    return lambda target: target.product.frozen(part)


@contextmanager
def _one_web_process_frozen(target: Target) -> Iterator[None]:
    """One of the two that serve; the master would end it after a minute."""
    pid = target.product.run.pids("web")[-1]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)


@contextmanager
def _milvus_frozen(target: Target) -> Iterator[None]:
    target.milvus.freeze()
    try:
        yield
    finally:
        target.milvus.thaw()


@contextmanager
def _redis(target: Target) -> Iterator[Redis]:
    with Redis(unix_socket_path=str(target.product.var_dir / "redis.sock")) as client:
        yield client


@contextmanager
def _redis_full(target: Target) -> Iterator[None]:
    with _redis(target) as client:
        client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)


@contextmanager
def _suspended(target: Target) -> Iterator[None]:
    with _redis(target) as client:
        client.set("rq:suspended", 1)
        try:
            yield
        finally:
            client.delete("rq:suspended")


@contextmanager
def _paused(target: Target) -> Iterator[None]:
    target.product.flask("partitions", "pause", "--reason", "staged")
    try:
        yield
    finally:
        target.product.flask("partitions", "resume")


@contextmanager
def _waiting(target: Target) -> Iterator[None]:
    """A tenant that waits, as its worker does nothing: a job that hangs would be the same."""
    with target.product.frozen("worker"):
        target.product.create("Waits")
        yield


@contextmanager
def _orphan(target: Target) -> Iterator[None]:
    number = target.database.last_number() + 1
    target.partitions.create(f"tenant_{number + 1000}")
    try:
        yield
    finally:
        target.partitions.drop(f"tenant_{number + 1000}")


@contextmanager
def _foreign_data(target: Target) -> Iterator[None]:
    """The partition of the next tenant is there before it, with another's rows."""
    with target.product.frozen("reconciler"):
        # A sweep would lift the numbers above it.
        name = f"tenant_{target.product.create('Before')['id'] + 1}"
        target.partitions.create(name)
        target.partitions.insert(name, [{"text": "theirs", "vector": [0.1] * VECTOR_DIMENSIONS}])
        tenant_id = target.product.create("Finds rows")["id"]
        target.product.await_state(tenant_id, "failed")
    yield
    target.product.api("POST", f"/api/tenants/{tenant_id}/adopt")


@contextmanager
def _many_dropped(target: Target) -> Iterator[None]:
    """Every partition is dropped by a script, and nobody has decided yet."""
    made = [target.product.create(f"Lost {number}")["id"] for number in range(12)]
    for number in made:
        target.product.await_state(number, "ready")
    for name in target.partitions.names():
        target.partitions.drop(name)
    yield
    target.product.flask("partitions", "brake", "--make-again", COLLECTION)
    for number in made:
        target.product.await_state(number, "ready")
    target.product.flask("partitions", "acknowledge", "--all")


@contextmanager
def _one_dropped(target: Target) -> Iterator[None]:
    """One partition is dropped by hand, and made again by the sweep."""
    made = target.product.create("Lost")["id"]
    target.product.await_state(made, "ready")
    target.partitions.drop(f"tenant_{made}")
    yield
    target.product.flask("partitions", "acknowledge", "--all")


@contextmanager
def _collection_dropped(target: Target) -> Iterator[None]:
    """The collection is gone; an operator restores it, and decides about what was in it."""
    target.partitions.drop_collection()
    yield
    create_collection_if_missing(target.milvus.uri, "", COLLECTION, STEP_WITHIN_S)
    decide = ("partitions", "brake", "--make-again", COLLECTION)
    wait_until(
        # It is refused until a sweep has seen the collection.
        lambda: target.product.flask(*decide, check=False).returncode == 0,
        STEP_WITHIN_S,
        "the decision",
    )


@contextmanager
def _another_collection(target: Target) -> Iterator[None]:
    """A second worker that was given another collection."""
    with _process(target, "worker", MILVUS_COLLECTION="another_one"):
        yield


@contextmanager
def _process(target: Target, *words: str, **settings: str) -> Iterator[None]:
    command = [str(Path(sys.executable).parent / "flask"), *words]
    environment = target.product.environment | settings
    with Path(os.devnull).open("w") as nowhere:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=nowhere, stderr=nowhere
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(STEP_WITHIN_S)


@contextmanager
def _postgres_frozen(target: Target) -> Iterator[None]:
    assert target.postgres
    target.postgres.freeze()
    try:
        yield
    finally:
        target.postgres.thaw()


@contextmanager
def _postgres_read_only(target: Target) -> Iterator[None]:
    """As after a failover to a standby: every new connection reads only."""
    assert target.postgres
    _set_read_only(target, "on")
    try:
        yield
    finally:
        _set_read_only(target, "off")


def _set_read_only(target: Target, value: str) -> None:
    assert target.postgres
    target.postgres.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    target.postgres.execute("SELECT pg_reload_conf()")


@contextmanager
def _revision_lost(target: Target) -> Iterator[None]:
    """The table of the schema's revision is emptied while all serve; it is stamped again."""
    target.database.lose_revision()
    try:
        yield
    finally:
        target.product.flask("db", "stamp", wanted_revision())


@contextmanager
def _sqlite_locked(target: Target) -> Iterator[None]:
    """Another program holds the lock of the file."""
    path = target.product.var_dir / "paratia.db"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=STEP_WITHIN_S)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


STORIES = [
    Story("milvus_down", "Milvus frozen", _milvus_frozen, OBSERVED_WITHIN_S),
    Story("redis_down", "Redis frozen", _frozen("redis")),
    Story("redis_refuses_writes", "Redis's memory full", _redis_full),
    Story("no_workers", "worker frozen", _frozen("worker")),
    Story("no_reconciler", "reconciler frozen", _frozen("reconciler")),
    Story("process_silent", "one web process frozen", _one_web_process_frozen),
    Story("workers_suspended", "rq suspend", _suspended),
    Story("tenants_waiting", "sign-up without a worker", _waiting, 80.0),
    Story("milvus_unobserved", "reconciler frozen for long", _frozen("reconciler"), 60.0),
    Story("provisioning_paused", "paused and forgotten", _paused),
    Story("partitions_orphaned", "a partition of no tenant", _orphan),
    Story("foreign_data", "rows before the tenant", _foreign_data),
    Story("rows_may_be_lost", "one partition dropped", _one_dropped, OBSERVED_WITHIN_S),
    Story("brake_engaged", "all partitions dropped", _many_dropped, OBSERVED_WITHIN_S),
    Story("collection_missing", "the collection dropped", _collection_dropped, OBSERVED_WITHIN_S),
    Story("settings_disagree", "a worker with other settings", _another_collection),
    Story("schema_behind", "revision lost", _revision_lost),
    Story("database_refuses_writes", "SQLite locked", _sqlite_locked, only_on="sqlite"),
    Story(
        "database_down",
        "PostgreSQL frozen",
        _postgres_frozen,
        surfaces=("readyz", "doctor", "log"),
        only_on="postgresql",
    ),
    Story(
        "database_refuses_writes",
        "PostgreSQL read-only",
        _postgres_read_only,
        only_on="postgresql",
    ),
]
