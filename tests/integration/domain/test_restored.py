"""A restored database draws no number before it was compared with Milvus, whoever starts first."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from jobs.milvus.store import StoreError
from jobs.provisioning import create_partition
from tests.engines.postgres import program
from tests.engines.process import wait_until
from tests.factories import (
    ACTOR,
    NOBODY,
    FaultyStore,
    Product,
    no_script,
    open_engine,
    settings_for,
)
from tests.integration.domain.commands import answer, runner
from tests.model.milvus import InMemoryMilvus
from webapp.csv_import.parsing import FileRow
from webapp.db.identity import identity_of
from webapp.errors import DatabaseRestored, NotRestored
from webapp.models.causes import Cause
from webapp.models.control import Installation
from webapp.models.states import CanaryOutcome
from webapp.models.tenant import Tenant
from webapp.numbers import incarnation
from webapp.numbers.counter import counter
from webapp.numbers.witness import Reached
from webapp.partitions.summary import summary
from webapp.settings import PROJECT_ROOT
from webapp.tenants.create_many import Wanted

NO_MILVUS: Any = FaultyStore(listing=StoreError(Cause.MILVUS_UNREACHABLE, "refused"))
BEFORE, SINCE = 3, 4


@dataclass
class Ground:
    """One installation: its database, its folder, its Redis, its Milvus; processes come and go."""

    url: str
    var_dir: Path
    redis_url: str
    folder: Path
    milvus: InMemoryMilvus = field(default_factory=InMemoryMilvus)
    engines: list[Engine] = field(default_factory=list)

    def start(self, **values: Any) -> Product:
        """The product as a process that starts now sees it."""
        engine = open_engine(self.url)
        self.engines.append(engine)
        own = {"database_url": self.url, "redis_url": self.redis_url}
        settings = settings_for(self.var_dir, **own | values)
        return Product(settings, engine)

    def stop(self) -> None:
        for engine in self.engines:
            engine.dispose()

    def sign_up(self, product: Product, count: int) -> list[int]:
        """Tenants that are ready; the numbers are known to the witnesses."""
        numbers = [product.create(f"T{n}").id for n in range(count)]
        product.work(self.milvus, no_script)
        product.sweep(self.milvus)
        self.witness(product)
        return numbers

    def witness(self, product: Product) -> None:
        """Wait until the witnesses know how far the database has come."""

        def are_told() -> bool:
            product.services.incarnations.check()
            reached = product.read(counter), product.read(Session.get_one, Installation, 1).clock
            return file_text(self.var_dir) == "{} {}".format(*reached)

        wait_until(are_told, 10, "the witness to be written")

    # Backups.

    @property
    def file(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def address(self) -> str:
        """The address as PostgreSQL's own programs take it."""
        return self.url.replace("+psycopg", "")

    def back_up(self) -> None:
        if self.url.startswith("sqlite"):
            copy(self.file, self.folder / "backup.db")
            return
        run("pg_dump", "--clean", "--if-exists", "-f", self.folder / "backup.sql", self.address)
        run("pg_dump", "-Fc", "-f", self.folder / "backup.dump", self.address)

    def copied_back(self) -> None:
        """The old file in the place of the new one, which keeps its name and number."""
        shutil.copyfile(self.folder / "backup.db", self.file)

    def copied_to_another_folder(self) -> None:
        """On another machine: no witness but Redis."""
        self.var_dir = self.folder / "other"
        self.var_dir.mkdir()
        self.url = f"sqlite:///{self.var_dir}/paratia.db"
        # Holds the number of the first file, so that the second has another.
        shutil.copyfile(self.folder / "backup.db", self.file)

    def over_the_open_file(self) -> None:
        """As SQLite's own `.restore`: the file, its name and its number stay."""
        copy(self.folder / "backup.db", self.file)

    def by_rows(self) -> None:
        """Each table is emptied and filled again, and stays."""
        rows = self.folder / "rows.sql"
        run("pg_restore", "--data-only", "-f", rows, self.folder / "backup.dump")
        tables = "SELECT string_agg(format('%I', tablename), ', ') FROM pg_tables"
        empty = f"""DO $$ BEGIN EXECUTE 'SET session_replication_role = replica; TRUNCATE ' ||
            ({tables} WHERE schemaname = 'public'); END $$"""
        options = ("-q", "-v", "ON_ERROR_STOP=1", "-c", empty)
        run(
            "psql",
            *options,
            "-c",
            "SET session_replication_role = replica",
            "-f",
            rows,
            self.address,
        )

    def by_psql(self) -> None:
        run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", self.folder / "backup.sql", self.address)

    def by_pg_restore(self) -> None:
        dump = self.folder / "backup.dump"
        run("pg_restore", "--clean", "--if-exists", "-d", self.address, dump)


def copy(source: Path, target: Path) -> None:
    """As the README has it: with what is still in the log."""
    with closing(sqlite3.connect(source)) as now, closing(sqlite3.connect(target)) as then:
        now.backup(then)


def run(name: str, *arguments: object) -> None:
    command = [program(name), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def file_text(var_dir: Path) -> str:
    return "".join(each.read_text() for each in (var_dir / "witness").glob("*")).strip()


@pytest.fixture
def make_ground(
    request: pytest.FixtureRequest, redis_server: Any, new_directory: Callable[[str], Path]
) -> Iterator[Callable[[str], Ground]]:
    made: list[Ground] = []

    def make(kind: str) -> Ground:
        folder = new_directory("restored")
        var_dir = folder / "var"
        var_dir.mkdir()
        if kind == "sqlite":
            migrated = Path(request.getfixturevalue("sqlite_url").removeprefix("sqlite:///"))
            copy(migrated, var_dir / "paratia.db")
            url = f"sqlite:///{var_dir}/paratia.db"
        else:
            url = request.getfixturevalue("fresh_database")()
            migrated_url = request.getfixturevalue("postgresql_url").replace("+psycopg", "")
            run("pg_dump", "-f", folder / "empty.sql", migrated_url)
            run("psql", "-q", "-f", folder / "empty.sql", url.replace("+psycopg", ""))
        made.append(Ground(url, var_dir, redis_server.new_database(), folder))
        made[-1].milvus.make_collection(name="kb_chunks_v1")
        return made[-1]

    yield make
    for ground in made:
        ground.stop()


RESTORES = {
    "a file copied back": ("sqlite", Ground.copied_back),
    "a file on another machine": ("sqlite", Ground.copied_to_another_folder),
    "psql into the same database": ("postgresql", Ground.by_psql),
    "pg_restore into the same database": ("postgresql", Ground.by_pg_restore),
    "pg_restore into a fresh one": ("postgresql", None),
}


def restored(make_ground: Callable[[str], Ground], how: str) -> Ground:
    """Three tenants in the backup, one of them deleted and due; four more since."""
    kind, restore = RESTORES[how]
    ground = make_ground(kind)
    product = ground.start()
    ground.sign_up(product, BEFORE)
    product.services.tenants.delete(1, actor=ACTOR)
    product.age(1, "remove_at", 1)
    waiting = product.create("Waiting").id
    ground.back_up()
    product.work(ground.milvus, no_script)
    assert ground.sign_up(product, SINCE)[-1] == waiting + SINCE
    ground.stop()
    if restore is not None:
        restore(ground)
        return ground
    fresh = make_ground(kind)
    run("psql", "-q", "-c", "DROP SCHEMA public CASCADE; CREATE SCHEMA public", fresh.address)
    run("pg_restore", "-d", fresh.address, ground.folder / "backup.dump")
    fresh.milvus = ground.milvus
    return fresh


def by_web(ground: Ground, product: Product, milvus: Any) -> None:
    with pytest.raises(DatabaseRestored):
        product.create("New")


def by_worker(ground: Ground, product: Product, milvus: Any) -> None:
    before = dict(ground.milvus.collections["kb_chunks_v1"])
    del ground.milvus.collections["kb_chunks_v1"]["tenant_4"]
    with product.as_worker(ground.milvus, no_script):
        create_partition(4, 1)
    assert product.row(4).state == "pending"
    ground.milvus.collections["kb_chunks_v1"] = before


def by_reconciler(ground: Ground, product: Product, milvus: Any) -> None:
    product.sweep(milvus)
    assert product.remove_due(milvus) == 0
    assert "tenant_1" in ground.milvus.collections["kb_chunks_v1"]


STARTS = {
    "web": (by_web, False),
    "worker": (by_worker, False),
    "reconciler": (by_reconciler, True),
    "reconciler without Milvus": (by_reconciler, False),
}


@pytest.mark.parametrize("first", STARTS)
@pytest.mark.parametrize("how", RESTORES)
def test_no_number_is_given_twice_whoever_starts_first(
    make_ground: Callable[[str], Ground], how: str, first: str
) -> None:
    ground = restored(make_ground, how)
    begin, is_compared = STARTS[first]
    begin(ground, ground.start(), ground.milvus if is_compared else NO_MILVUS)
    others = ground.start()
    if not is_compared:
        by_web(ground, others, NO_MILVUS)
        others.sweep(NO_MILVUS)
        by_web(ground, others, NO_MILVUS)
        assert others.read(counter) == BEFORE + 1
        others.sweep(ground.milvus)
    highest = BEFORE + 1 + SINCE
    assert others.create("New").id == highest + 1
    state = others.read(summary, others.settings).restored
    assert state is not None
    assert (state.is_suspected, state.is_pending) == (False, True)
    # Creations go on; what an old backup says is to be dropped waits for a human.
    assert others.remove_due(ground.milvus) == 0
    assert "tenant_1" in ground.milvus.collections["kb_chunks_v1"]
    others.services.incarnations.acknowledge(actor=ACTOR)
    assert others.remove_due(ground.milvus) == 1
    (entry,) = others.audited("database.")
    assert entry.action == "database.acknowledge_restore"
    with pytest.raises(NotRestored):
        others.services.incarnations.acknowledge(actor=ACTOR)


IN_PLACE = {
    "sqlite": Ground.over_the_open_file,
    "postgresql": Ground.by_rows,
}


@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize("kind", IN_PLACE)
def test_tenant_who_was_kept_since_the_backup_keeps_the_partition(
    make_ground: Callable[[str], Ground], kind: str, goes_on: bool
) -> None:
    """No number was drawn since, and the database is the same one: its clock went back."""
    ground = make_ground(kind)
    product = ground.start()
    ground.sign_up(product, BEFORE)
    product.services.tenants.delete(1, actor=ACTOR)
    ground.back_up()
    product.services.tenants.restore(1, actor=ACTOR)
    product.work(ground.milvus, no_script)
    ground.witness(product)
    product.engine.dispose()
    IN_PLACE[kind](ground)
    after = product if goes_on else ground.start()
    after.age(1, "remove_at", 1)
    assert after.remove_due(ground.milvus) == 0
    after.sweep(ground.milvus)
    assert after.remove_due(ground.milvus) == 0
    state = after.read(summary, after.settings).restored
    assert state is not None
    assert (state.reason, state.is_suspected, state.is_pending) == ("clock_went_back", False, True)
    assert "tenant_1" in ground.milvus.collections["kb_chunks_v1"]
    after.services.tenants.restore(1, actor=ACTOR)
    after.services.incarnations.acknowledge(actor=ACTOR)
    assert after.remove_due(ground.milvus) == 0
    assert ground.start().services.incarnations.check(), "it is told once"


class PutBackMeanwhile:
    """A Milvus during whose first listing somebody puts the backup back."""

    def __init__(self, ground: Ground, put_back: Callable[[], None]) -> None:
        self._milvus = ground.milvus
        self._put_back: list[Callable[[], None]] = [put_back]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._milvus, name)

    def list_partitions(self, collection: str) -> frozenset[str]:
        for put_back in self._put_back:
            put_back()
        self._put_back = []
        return self._milvus.list_partitions(collection)


@pytest.mark.parametrize("kind", IN_PLACE)
def test_nothing_is_dropped_when_the_database_goes_back_while_milvus_is_asked(
    make_ground: Callable[[str], Ground], kind: str
) -> None:
    ground = make_ground(kind)
    product = ground.start()
    ground.sign_up(product, BEFORE)
    for number in (1, 2):
        product.services.tenants.delete(number, actor=ACTOR)
        product.age(number, "remove_at", 1)
    ground.back_up()
    product.services.tenants.restore(1, actor=ACTOR)
    product.work(ground.milvus, no_script)
    ground.witness(product)

    def put_back() -> None:
        product.engine.dispose()
        IN_PLACE[kind](ground)

    meanwhile: Any = PutBackMeanwhile(ground, put_back)
    assert product.remove_due(meanwhile) == 0
    assert {"tenant_1", "tenant_2"} <= set(ground.milvus.collections["kb_chunks_v1"])
    assert product.row(1).state == "removing"


def test_clock_goes_on_by_itself(simple: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incarnation, "CLOCK_MOVES_EVERY_S", 0)
    milvus = InMemoryMilvus()
    simple.create()
    clocks = []
    for _ in range(3):
        simple.remove_due(milvus)
        clocks.append(simple.read(Session.get_one, Installation, 1).clock)
    assert clocks == [1, 2, 3]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_ordinary_restart_serves_sign_ups_when_milvus_is_down(
    make_ground: Callable[[str], Ground], kind: str
) -> None:
    ground = make_ground(kind)
    ground.sign_up(ground.start(), 2)
    again = ground.start()
    again.sweep(NO_MILVUS)
    assert again.create().id == 3
    state = again.read(summary, again.settings)
    assert state.restored is None


def test_first_start_serves_sign_ups_when_milvus_was_never_reached(
    make_ground: Callable[[str], Ground],
) -> None:
    ground = make_ground("sqlite")
    product = ground.start()
    product.sweep(NO_MILVUS)
    assert product.create().id == 1
    assert ground.start().create().id == 2


def test_new_database_beside_the_numbers_of_another_is_compared_first(
    make_ground: Callable[[str], Ground],
) -> None:
    """The database was lost and made anew, and Milvus has the partitions of the first."""
    ground = make_ground("sqlite")
    ground.sign_up(ground.start(), 3)
    ground.stop()
    with closing(sqlite3.connect(ground.file)) as file:
        file.execute("DELETE FROM partition_event")
        file.execute("DELETE FROM partition")
        file.execute("DROP TRIGGER audit_entry_no_delete")
        file.execute("DELETE FROM audit_entry")
        file.execute("DELETE FROM tenant")
        file.execute("DELETE FROM sqlite_sequence")
        file.execute("DELETE FROM installation")
        file.commit()
    product = ground.start()
    with pytest.raises(DatabaseRestored):
        product.create()
    product.sweep(ground.milvus)
    assert product.create().id == 4


def test_witness_in_redis_alone_is_enough(make_ground: Callable[[str], Ground]) -> None:
    ground = make_ground("sqlite")
    product = ground.start()
    ground.sign_up(product, 2)
    ground.back_up()
    ground.sign_up(product, 2)
    ground.stop()
    ground.copied_back()
    shutil.rmtree(ground.var_dir / "witness")
    with pytest.raises(DatabaseRestored):
        ground.start().create()


def test_number_that_another_draws_meanwhile_is_no_restore(
    simple: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    simple.create("First")
    read_row = incarnation._row

    def read_and_let_another_draw(*arguments: Any) -> tuple[Installation, int]:
        row, drawn = read_row(*arguments)
        simple.services.incarnations._witness.note(row.nonce, Reached(drawn + 1))
        return row, drawn

    with monkeypatch.context() as slow:
        slow.setattr(incarnation, "_row", read_and_let_another_draw)
        second = simple.create("Second")
    assert second.id == 2


def test_witnesses_are_never_waited_for(make_ground: Callable[[str], Ground]) -> None:
    ground = make_ground("sqlite")
    (ground.var_dir / "witness").write_text("in the way")
    product = ground.start(redis_url="unix:///nowhere/redis.sock")
    assert [product.create(f"T{n}").id for n in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("how", ["a file copied back", "psql into the same database"])
def test_restore_is_noticed_while_the_process_lives(
    make_ground: Callable[[str], Ground], how: str
) -> None:
    kind, restore = RESTORES[how]
    ground = make_ground(kind)
    web = ground.start()
    ground.sign_up(web, 2)
    ground.back_up()
    ground.sign_up(web, 2)
    web.engine.dispose()
    assert restore is not None
    restore(ground)
    with capture_logs() as logs, pytest.raises(DatabaseRestored):
        web.create()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["database.restored"]
    reconciler = ground.start()
    reconciler.sweep(ground.milvus)
    assert web.create().id == 5


def test_file_that_was_put_in_the_place_of_the_open_one_is_noticed(
    make_ground: Callable[[str], Ground],
) -> None:
    ground = make_ground("sqlite")
    web = ground.start()
    ground.sign_up(web, 2)
    ground.back_up()
    ground.sign_up(web, 2)
    shutil.copyfile(ground.folder / "backup.db", ground.folder / "new.db")
    for beside in ground.file.parent.glob("paratia.db-*"):
        beside.unlink()
    (ground.folder / "new.db").replace(ground.file)
    with pytest.raises(DatabaseRestored):
        web.create()


def test_many_and_imports_wait_and_go_on_by_themselves(
    make_ground: Callable[[str], Ground],
) -> None:
    ground = restored(make_ground, "a file copied back")
    product = ground.start()
    with pytest.raises(DatabaseRestored):
        product.services.bulk.create([Wanted("A"), Wanted("B")], actor=ACTOR)
    upload = product.services.uploads.check("new.csv", b"name\nA\nB\n", actor=ACTOR)
    assert product.services.uploads.confirm(upload.id, actor=ACTOR)
    assert product.services.uploads.running() == [upload.id]
    # A number that is given may be a lost tenant's: it waits for the comparison too.
    lost = [FileRow(2, "Lost", "lost", "5")]
    with pytest.raises(DatabaseRestored):
        product.services.uploads.import_all(lost, dry_run=False, actor=ACTOR)
    product.sweep(ground.milvus)
    assert product.services.uploads.import_all(lost, dry_run=False, actor=ACTOR) == 1
    product.services.uploads.advance(upload.id)
    assert product.services.uploads.running() == []
    assert product.select(select(func.max(Tenant.id))) == [BEFORE + 1 + SINCE + 2]


def test_no_probe_is_made_before_the_comparison(make_ground: Callable[[str], Ground]) -> None:
    ground = restored(make_ground, "a file copied back")
    product = ground.start(milvus_uri=NOBODY)
    product.services.incarnations.check()
    shown = runner(product)("partitions", "canary", "--json")
    assert answer(shown)["outcome"] == CanaryOutcome.NOT_RUN
    assert "restored" in answer(shown)["message"]


def test_import_of_numbers_waits_for_the_comparison(
    make_ground: Callable[[str], Ground], tmp_path: Path
) -> None:
    ground = restored(make_ground, "a file copied back")
    product = ground.start()
    file = tmp_path / "tenants.csv"
    file.write_text(f"id,name,slug\n{BEFORE + 2},Another,another\n")
    refused = runner(product)("tenants", "import", str(file))
    assert refused.exit_code == 1
    assert "nothing was imported: the database was restored" in refused.stderr


def test_restore_is_shown_and_acknowledged_by_a_command(
    make_ground: Callable[[str], Ground],
) -> None:
    ground = restored(make_ground, "a file copied back")
    product = ground.start()
    run_command = runner(product)
    none = runner(make_ground("sqlite").start())("partitions", "restored")
    assert (none.exit_code, none.stdout) == (0, "No restore of the database holds anything back.\n")
    product.services.incarnations.check()
    words = run_command("partitions", "restored").stdout
    assert "it lacks the newest tenants" in words and "reconcile --once" in words
    early = run_command("partitions", "restored", "--json")
    assert (early.exit_code, answer(early)["compared"]) == (1, False)
    too_early = run_command("partitions", "restored", "--acknowledge")
    assert too_early.exit_code == 2 and "compared" in too_early.stderr
    product.sweep(ground.milvus)
    shown = run_command("partitions", "restored")
    assert shown.exit_code == 1
    assert "nothing is dropped" in shown.stdout
    assert "removing: 1 T0" in shown.stdout
    assert run_command("partitions", "restored", "--acknowledge").exit_code == 0
    again = run_command("partitions", "restored", "--acknowledge")
    assert again.exit_code == 2
    (signature,) = product.select(select(Installation.acknowledged_by))
    assert signature.startswith("cli:")


def test_restore_is_told_by_commands_before_any_process_has_started(
    make_ground: Callable[[str], Ground],
) -> None:
    ground = restored(make_ground, "a file copied back")
    product = ground.start()
    run_command = runner(product)
    shown = run_command("partitions", "restored", "--json")
    assert (shown.exit_code, answer(shown)["reason"]) == (1, "numbers_went_back")
    told = run_command("doctor", "--json")
    keys = [each["key"] for each in answer(told)["conditions"]]
    assert (told.exit_code, keys.count("database_restored")) == (2, 1)
    for words in ("backfill", "backfill --dry-run", "retry --all --dry-run", "failed"):
        held = run_command("partitions", *words.split())
        assert (held.exit_code, "it lacks the newest tenants" in held.stderr) == (1, True), words
    assert product.read(summary, product.settings).restored is None, "they only read"
    too_early = run_command("partitions", "restored", "--acknowledge")
    assert too_early.exit_code == 2 and "compared" in too_early.stderr


@pytest.mark.parametrize("others", [False, True])
def test_new_database_is_no_restore_unless_the_folder_knows_another(
    make_ground: Callable[[str], Ground], others: bool
) -> None:
    ground = make_ground("sqlite")
    if others:
        (ground.var_dir / "witness").mkdir()
        (ground.var_dir / "witness" / "abc").write_text("7")
    product = ground.start()
    shown = runner(product)("partitions", "restored", "--json")
    reason = answer(shown) and answer(shown)["reason"]
    assert (shown.exit_code, reason) == ((1, "other_installation") if others else (0, None))
    assert product.read(Session.get, Installation, 1) is None


def test_start_of_all_parts_logs_a_restore_to_a_file(make_ground: Callable[[str], Ground]) -> None:
    ground = restored(make_ground, "a file copied back")
    settings = {"VAR_DIR": str(ground.var_dir), "REDIS_URL": ground.redis_url}
    subprocess.run(
        [sys.executable, "-m", "launch.first_steps"],
        cwd=PROJECT_ROOT,
        env=os.environ | settings | {"MILVUS_URI": NOBODY, "ADMIN_PASSWORD": "a long password"},
        check=True,
        capture_output=True,
        timeout=60,
    )
    lines = (ground.var_dir / "log" / "setup.log").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert {"database.restored", "auth.user.created"} <= set(events)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_numbers_that_are_drawn_during_a_look_are_no_restore(
    make_ground: Callable[[str], Ground], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The witness learns of a number after the look has read the counter."""
    ground = make_ground(kind)
    product = ground.start()
    ground.sign_up(product, 2)
    looked: list[str] = []

    def identity_after_a_sign_up(session: Session, table: str) -> str:
        looked.append(table)
        if len(looked) == 1:
            product.create("Meanwhile")
        return identity_of(session, table)

    monkeypatch.setattr(incarnation, "identity_of", identity_after_a_sign_up)
    assert product.services.incarnations.check()
    # SQLite has one writer at a time.
    if kind == "postgresql":
        looked.clear()
        assert product.create("Slow").id == 5
    assert product.read(summary, product.settings).restored is None
