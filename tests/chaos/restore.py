"""The database is rolled back: tenants made since are known to Milvus alone, and stay apart."""

import json
import sqlite3
import time
from contextlib import closing

from tests.chaos.clients import ApiClient, new_name
from tests.chaos.options import Options
from tests.chaos.table import Line, show
from tests.chaos.target import DATABASE, Ground, Target, ground
from tests.chaos.trial import await_whole
from tests.engines.process import wait_until

BEFORE = 20
SINCE = 50
AFTER = 60
BACKUP = "backup"
REPORTED_WITHIN_S = 60.0


def run(options: Options) -> bool:
    """True when all made since are reported, and nobody new got one of their numbers."""
    kept = [_run_on(database, options) for database in options.databases]
    return all(kept)


def _run_on(database: str, options: Options) -> bool:
    with ground(database, options.random()) as under:
        with under.running() as first:
            _sign_up(first, BEFORE)
        _back_up(under)
        with under.running() as second:
            since = _sign_up(second, SINCE)
        _restore(under)
        with under.running() as third:
            began = time.monotonic()
            after = _sign_up(third, AFTER)
            misses = _misses(third, since, after)
            took_s = time.monotonic() - began
    line = Line(
        fault=f"rolled back by {SINCE} tenants",
        trials=1,
        acknowledged=BEFORE + SINCE + AFTER,
        findings=frozenset(),
        healed_s=[took_s],
        bound_s=REPORTED_WITHIN_S,
        misses=misses,
    )
    return show(f"Restore from a backup on {database}", [line])


def _sign_up(target: Target, tenants: int) -> set[int]:
    """The numbers of new tenants, once they are ready."""
    client = ApiClient(target.product.url, target.product.token)
    made = [client.create(new_name()).tenant_id for _ in range(tenants)]
    client.close()
    await_whole(target, target.database.last_number(), time.monotonic())
    return {tenant_id for tenant_id in made if tenant_id}


def _misses(target: Target, since: set[int], after: set[int]) -> list[str]:
    misses = [f"tenant {number} got a number of before" for number in sorted(since & after)]
    if len(after) < AFTER:
        misses.append(f"{AFTER - len(after)} sign-ups were not acknowledged")
    wanted = {f"tenant_{number}" for number in since}
    try:
        wait_until(lambda: wanted <= _orphans(target), REPORTED_WITHIN_S, "all to be reported")
    except TimeoutError:
        misses.append(f"not reported: {sorted(wanted - _orphans(target))}")
    return misses


def _orphans(target: Target) -> set[str]:
    shown = target.product.flask("partitions", "verify", "--json", check=False).stdout
    return {str(found["partition"]) for found in json.loads(shown)["orphan"]} if shown else set()


def _back_up(ground: Ground) -> None:
    """Copy the database; the product is stopped, as PostgreSQL wants it for a template."""
    if ground.postgres:
        ground.postgres.execute(f"CREATE DATABASE {BACKUP} TEMPLATE {DATABASE}")
        return
    file = ground.folder / "var" / "paratia.db"
    with closing(sqlite3.connect(file)) as now, closing(_backup(ground)) as then:
        now.backup(then)


def _restore(ground: Ground) -> None:
    if ground.postgres:
        ground.postgres.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        ground.postgres.execute(f"CREATE DATABASE {DATABASE} TEMPLATE {BACKUP}")
        return
    file = ground.folder / "var" / "paratia.db"
    for beside in file.parent.glob("paratia.db*"):
        beside.unlink()
    with closing(sqlite3.connect(file)) as now, closing(_backup(ground)) as then:
        then.backup(now)


def _backup(ground: Ground) -> sqlite3.Connection:
    return sqlite3.connect(ground.folder / "backup.db")
