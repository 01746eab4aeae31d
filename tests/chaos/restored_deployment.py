"""The database of a deployment is restored from an older dump; its parts start in every order."""

import itertools
import subprocess
import time
from dataclasses import dataclass

import httpx

from bench.report import progress, show_table
from tests.chaos.clients import new_name
from tests.chaos.deployment import RECONCILERS, WEB, WORKERS, Deployment
from tests.chaos.target import DATABASE, Target
from tests.chaos.trial import await_whole
from tests.engines.postgres import program
from tests.engines.process import wait_until
from tests.engines.proxy import Mode

KINDS = {"web": WEB, "worker": WORKERS, "reconciler": RECONCILERS}
SINCE, AFTER = 8, 5
WITHIN_S = 60.0
HEADER = ("first", "Milvus at first", "503 before", "open s", "lost", "lowest new", "drop held", "")


@dataclass
class Restored:
    first: str
    milvus: str
    refusals: int = 0
    open_s: float = 0.0
    lost: int = 0
    lowest: int = 0
    is_held: bool = False
    miss: str = ""

    def cells(self) -> list[str]:
        cells = [self.first, self.milvus, self.refusals, f"{self.open_s:.1f}", f"up to {self.lost}"]
        cells += [self.lowest, "yes" if self.is_held else "NO", self.miss or "kept"]
        return [str(each) for each in cells]


def restore_in_every_order(target: Target, deployment: Deployment) -> bool:
    """True when no lost number was given out, and no drop was made before it was acknowledged."""
    outcomes = []
    for first, mode in itertools.product(KINDS, (Mode.PASS, Mode.REFUSE)):
        outcome = Restored(first, "answers" if mode is Mode.PASS else "does not answer")
        try:
            _restore(target, deployment, outcome, mode)
        except (TimeoutError, AssertionError) as error:
            outcome.miss = f"{type(error).__name__}: {error}"
        target.network.switch(Mode.PASS)
        progress(f"restored: {outcome.cells()}")
        outcomes.append(outcome)
    cells = [each.cells() for each in outcomes]
    show_table("Restored from an older dump, started in every order", HEADER, cells)
    return not any(each.miss for each in outcomes)


def _restore(target: Target, deployment: Deployment, outcome: Restored, mode: Mode) -> None:
    deployment.start(*sorted(deployment.down))
    deleted = _sign_up(deployment)
    await_whole(target, deleted, time.monotonic())
    dump = deployment.folder / "backup.sql"
    address = deployment.environment["DATABASE_URL"].replace("+psycopg", "")
    _run("pg_dump", "-f", dump, address)
    outcome.lost = [_sign_up(deployment) for _ in range(SINCE)][-1]
    await_whole(target, outcome.lost, time.monotonic())
    deployment.stop_all()
    deployment.redis.restart()
    assert target.postgres
    target.postgres.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    target.postgres.execute(f"CREATE DATABASE {DATABASE}")
    _run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, address)
    target.network.switch(mode)
    order = sorted(KINDS, key=lambda kind: kind != outcome.first)
    began = time.monotonic()
    for kind in order:
        deployment.start(*KINDS[kind])
        if kind == "web":
            _look(deployment, outcome)
    if mode is Mode.REFUSE:
        wait_until(
            lambda: _observation(deployment)["status"] == "down",
            WITHIN_S,
            "Milvus to be known as down",
        )
        assert not _look(deployment, outcome), "a sign-up was taken while Milvus did not answer"
        target.network.switch(Mode.PASS)
        began = time.monotonic()
    wait_until(lambda: _look(deployment, outcome), WITHIN_S, "sign-ups to be taken")
    outcome.open_s = time.monotonic() - began
    for _ in range(AFTER):
        _sign_up(deployment)
    await_whole(target, target.database.last_number(), time.monotonic())
    assert outcome.lowest > outcome.lost, "a lost tenant's number was given out"
    _drop_is_held(target, deployment, outcome, deleted)


def _look(deployment: Deployment, outcome: Restored) -> bool:
    """Whether a sign-up is taken; if not, it says why and when to come again."""
    answer = _post(deployment)
    if answer.status_code == httpx.codes.CREATED:
        outcome.lowest = outcome.lowest or int(answer.json()["id"])
        return True
    said = (answer.status_code, answer.json()["code"])
    assert said == (503, "database_restored"), f"{said} in place of 503 database_restored"
    assert int(answer.headers["Retry-After"]) > 0
    outcome.refusals += 1
    return False


def _drop_is_held(target: Target, deployment: Deployment, outcome: Restored, deleted: int) -> None:
    """Delete a tenant: its partition stays until somebody acknowledges the restore."""
    deployment.api("DELETE", f"/api/tenants/{deleted}")
    _await_sweeps(deployment)
    outcome.is_held = f"tenant_{deleted}" in target.partitions.names()
    assert outcome.is_held, "a partition was dropped before the restore was acknowledged"
    deployment.flask("partitions", "restored", "--acknowledge")
    wait_until(
        lambda: f"tenant_{deleted}" not in target.partitions.names(),
        WITHIN_S,
        "the drop after the acknowledgement",
    )


def _await_sweeps(deployment: Deployment, number: int = 3) -> None:
    """Until Milvus was looked at so often, the first time perhaps before this call."""
    seen: set[str] = set()

    def is_seen() -> bool:
        seen.add(_observation(deployment)["observed_at"])
        return len(seen) > number

    wait_until(is_seen, WITHIN_S, f"{number} sweeps")


def _observation(deployment: Deployment) -> dict[str, str]:
    """What the last sweep saw of Milvus, and when."""
    found: dict[str, str] = deployment.api("GET", "/readyz").json()["milvus"]
    return found


def _post(deployment: Deployment) -> httpx.Response:
    headers = {"Authorization": f"Bearer {deployment.token}"}
    address = f"{deployment.nginx.address}/api/tenants"
    return httpx.post(address, json={"name": new_name()}, headers=headers, verify=False, timeout=40)


def _sign_up(deployment: Deployment) -> int:
    answer = _post(deployment)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return int(answer.json()["id"])


def _run(name: str, *arguments: object) -> None:
    command = [program(name), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
