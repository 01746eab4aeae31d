"""The commands: exit codes, results alone on stdout, shapes that scripts rely on."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from jobs.cli import partitions
from jobs.milvus.client import MilvusPartitionStore
from tests.factories import Product
from webapp.cli.config import config_command
from webapp.cli.tenants import tenants_cli
from webapp.logs import configure_logging
from webapp.models.causes import Cause
from webapp.models.tenant import Tenant
from webapp.settings import VERSION

Run = Callable[..., Result]


@pytest.fixture
def run(whole: Product) -> Iterator[Run]:
    yield runner(whole)
    configure_logging(whole.settings, "stderr")


def runner(product: Product) -> Run:
    app = Flask("commands")
    app.extensions |= {"settings": product.settings, "services": product.services}
    app.extensions["database"] = product.database
    for command in (partitions.partitions, tenants_cli, config_command):
        app.cli.add_command(command)

    def run(*arguments: str) -> Result:
        result = app.test_cli_runner().invoke(args=list(arguments))
        # The runner's streams are closed; later lines must not go there.
        logging.getLogger().handlers.clear()
        return result

    return run


def answer(result: Result) -> Any:
    """The JSON on stdout, which must hold nothing else."""
    return json.loads(result.stdout)


def test_nothing_changes_when_a_backfill_is_a_dry_run(whole: Product, run: Run) -> None:
    whole.imported_tenants(3)
    result = run("partitions", "backfill", "--dry-run", "--json")
    assert answer(result) == {"dry_run": True, "dispatched": 3, "skipped": {}}
    assert result.exit_code == 0
    assert (whole.states(), whole.queued()) == ([], [])


def test_logs_are_on_stderr_when_a_backfill_dispatches(whole: Product, run: Run) -> None:
    whole.imported_tenants(2)
    result = run("partitions", "backfill", "--all", "--json")
    assert answer(result) == {"dry_run": False, "dispatched": 2, "skipped": {}}
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    asked, *events = [line["event"] for line in lines]
    assert asked == "audit"
    assert events == [
        *["milvus.partition.requested"] * 2,
        "operation.finished",
        *["milvus.partition.dispatched"] * 2,
    ]


def test_ready_ones_are_not_dispatched_again(
    whole: Product, store: MilvusPartitionStore, run: Run
) -> None:
    whole.create()
    whole.work(store)
    assert answer(run("partitions", "backfill", "--json"))["dispatched"] == 0
    named = answer(run("partitions", "backfill", "--tenant-id", "1", "--json"))
    assert named == {"dry_run": False, "dispatched": 0, "skipped": {"ready": 1}}
    assert whole.queued() == []


def test_exit_is_0_when_all_that_was_waited_for_are_ready(
    whole: Product, store: MilvusPartitionStore, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole.imported_tenants(3)
    monkeypatch.setattr(partitions.time, "sleep", lambda _: whole.work(store))
    result = run("partitions", "backfill", "--wait", "--json")
    report = {"dry_run": False, "dispatched": 3, "skipped": {}, "ready": 3, "failed": 0}
    assert (result.exit_code, answer(result)) == (0, report)


def test_exit_is_1_when_one_that_was_waited_for_failed(
    whole: Product, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole.imported_tenants(2)

    def meanwhile(_: float) -> None:
        whole.make_ready(1)
        whole.fail(2, Cause.AUTH)

    monkeypatch.setattr(partitions.time, "sleep", meanwhile)
    result = run("partitions", "backfill", "--wait", "--json")
    assert (result.exit_code, answer(result)["failed"]) == (1, 1)


def test_exit_is_1_when_redis_takes_no_job(whole: Product, tmp_path: Path, run: Run) -> None:
    whole.imported_tenants(2)
    deaf = whole.configured(redis_url=f"unix://{tmp_path}/nobody.sock")
    result = runner(deaf)("partitions", "backfill", "--json")
    assert (result.exit_code, answer(result)["dispatched"]) == (1, 2)
    assert whole.states() == ["pending"] * 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["partitions", "backfill", "--tenant-id", "99"],
        ["partitions", "backfill", "--tenant-id", "x"],
        ["partitions", "backfill", "--tenant-id", "0"],
        ["partitions", "backfill", "--tenant-id", "9" * 30],
        ["partitions", "backfill", "--all", "--tenant-id", "1"],
        ["partitions", "status", "--tenant-id", "99"],
        ["partitions", "retry", "--tenant-id", "99"],
        ["partitions", "retry", "--tenant-id", "9" * 30],
        ["partitions", "retry", "--cause", "bad"],
        ["tenants", "import", "/nowhere.csv"],
        ["partitions", "unknown"],
    ],
)
def test_exit_is_2_when_the_usage_is_bad(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr


def test_status_counts_or_shows_one(whole: Product, run: Run) -> None:
    tenant = whole.create()
    whole.imported_tenants(1, first=50)
    counts = answer(run("partitions", "status", "--json"))
    assert (counts["pending"], counts["ready"], counts["without_wish"]) == (1, 0, 1)
    shown = answer(run("partitions", "status", "--tenant-id", str(tenant.id), "--json"))
    assert (shown["name"], shown["status"], shown["cause"]) == ("tenant_1", "pending", None)
    assert answer(run("partitions", "status", "--tenant-id", "50", "--json")) is None
    assert "backfill" in run("partitions", "status", "--tenant-id", "50").stdout


def test_failures_are_grouped_by_cause(whole: Product, run: Run) -> None:
    assert answer(run("partitions", "failed", "--json")) == []
    for n in range(2):
        whole.fail(whole.create(f"T{n}"), Cause.CAPACITY)
    (family,) = answer(run("partitions", "failed", "--json"))
    assert (family["cause"], family["tenants"]) == ("capacity", 2)
    assert family["example"] == {"tenant_id": 2, "error": "as the test has it"}
    assert "MILVUS_MAX_PARTITIONS" in run("partitions", "failed").stdout


def test_failed_ones_are_retried_by_cause(whole: Product, run: Run) -> None:
    whole.fail(whole.create("A"), Cause.AUTH)
    whole.fail(whole.create("B"), Cause.CAPACITY)
    dry = answer(run("partitions", "retry", "--cause", "auth", "--dry-run", "--json"))
    assert (dry["dispatched"], whole.states()) == (1, ["failed", "failed"])
    run("partitions", "retry", "--cause", "auth")
    assert whole.states() == ["pending", "failed"]
    run("partitions", "retry")
    assert whole.states() == ["pending", "pending"]


def test_sweep_dispatches_and_reopens_when_run_once(whole: Product, run: Run) -> None:
    tenant = whole.create()
    whole.age(tenant, "dispatch_after", 1)
    assert run("partitions", "reconcile", "--once").exit_code == 0
    assert whole.row(tenant).dispatch == 2


def test_settings_are_shown_with_their_addresses_and_without_secrets(
    whole: Product, run: Run
) -> None:
    shown = answer(run("config", "--json"))
    assert shown["version"] == VERSION
    assert run("config").stdout.splitlines()[0].split() == ["version", VERSION]
    assert shown["MILVUS_URI"] == whole.settings.milvus_uri
    assert shown["MILVUS_COLLECTION"] == whole.settings.milvus_collection
    assert shown["SECRET_KEY"] == "********"
    assert whole.settings.secret_key not in run("config").stdout


# tenants import


def tenants_of(product: Product) -> list[Tenant]:
    with product.database.reading() as session:
        return list(session.scalars(select(Tenant).order_by(Tenant.id)))


def imported(run: Run, tmp_path: Path, content: bytes, *options: str) -> Result:
    file = tmp_path / "tenants.csv"
    file.write_bytes(content)
    return run("tenants", "import", str(file), *options)


def test_file_is_imported_whatever_its_columns_order_and_quotes(
    whole: Product, run: Run, tmp_path: Path
) -> None:
    content = '\ufeffslug,id,name\r\nacme,7,"Acme, ""the"" first"\r\nother, 9 ,Società\r\n'
    result = imported(run, tmp_path, content.encode())
    assert (result.exit_code, result.stdout) == (0, "2 tenants were imported\n")
    assert whole.backfillable() == [7, 9]


def test_a_file_is_imported_as_the_panel_takes_it(whole: Product, run: Run, tmp_path: Path) -> None:
    content = "\ufeffId;Name ;Slug\n7;'=Formula;formula\n9;Rossi, Bianchi;rossi\n;;\n;;\n"
    result = imported(run, tmp_path, content.encode())
    assert (result.exit_code, result.stdout) == (0, "2 tenants were imported\n")
    assert [row.name for row in tenants_of(whole)] == ["=Formula", "Rossi, Bianchi"]


def test_each_fault_is_named_when_rows_are_unusable(
    whole: Product, run: Run, tmp_path: Path
) -> None:
    whole.create("Taken", slug="taken")
    lines = ("id,name,slug", "x,,Bad", "1,Other,b", "7,A,a", "7,B,a", "8,C,c,d", "9,D,taken")
    result = imported(run, tmp_path, "\n".join(lines).encode())
    assert result.exit_code == 1
    said = result.stderr.splitlines()
    assert [line.partition(" must ")[0] for line in said] == [
        *("line 2: id 'x'", "line 2: name", "line 2: slug 'Bad'", "line 3: id 1 is taken"),
        *("line 5: id 7 stands in line 4 already", "line 5: slug a stands in line 4 already"),
        *("line 6: it has more cells than the first line", "line 7: slug taken is taken"),
        "Error: nothing was imported",
    ]


def test_no_tenant_is_imported_when_the_file_has_only_a_first_line(
    whole: Product, run: Run, tmp_path: Path
) -> None:
    result = imported(run, tmp_path, b"id,name,slug\n")
    assert (result.exit_code, result.stdout) == (0, "0 tenants were imported\n")


def test_file_is_only_checked_when_it_is_a_dry_run(
    whole: Product, run: Run, tmp_path: Path
) -> None:
    result = imported(run, tmp_path, b"id,name,slug\n7,Acme,acme\n", "--dry-run")
    assert (result.exit_code, result.stdout) == (0, "1 tenants would be imported\n")
    assert whole.backfillable() == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "first line"),
        (b"id,name\n1,A\n", "first line"),
        (b"1,Acme,acme\n", "first line"),
        (b"id,name,slug\n1,Acme\n", "line 2"),
        (b"id,name,slug\n1,Acme,acme,more\n", "line 2"),
        (b'id,name,slug\n1,"Acme,acme\n', "CSV"),
        (b"id,name,slug\n1,\xff\xfe,acme\n", "UTF-8"),
        (b"id,name,slug\n1,A\x00cme,acme\n", "line 2"),
        (b"id,name,slug\n" + b"9" * 5000 + b",Acme,acme\n", "line 2"),
        (b"id,name,slug\n1," + b"x" * 200_000 + b",acme\n", ""),
        (b"id,name,slug\n1,A,a\n1,B,b\n", "line 3"),
    ],
)
def test_nothing_is_imported_and_no_trace_is_shown_when_the_file_is_hostile(
    whole: Product, run: Run, tmp_path: Path, content: bytes, message: str
) -> None:
    result = imported(run, tmp_path, content)
    assert result.exit_code in {1, 2}
    assert result.stdout == ""
    assert message in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert whole.backfillable() == []


def test_deleted_tenant_is_called_back_by_command_until_it_is_gone(
    whole: Product, run: Run
) -> None:
    tenant = whole.create(slug="acme")
    whole.delete(tenant, due=False)
    back = run("tenants", "restore", "--tenant-id", str(tenant.id))
    assert (back.exit_code, back.stdout) == (0, f"tenant {tenant.id} is back, with the slug acme\n")
    assert run("tenants", "restore", "--tenant-id", str(tenant.id)).exit_code == 1
    assert run("tenants", "restore", "--tenant-id", "999").exit_code == 2


def test_due_partition_is_dropped_when_reconciled_once(
    whole: Product, store: MilvusPartitionStore, run: Run
) -> None:
    tenant = whole.create()
    store.create_partition(whole.settings.milvus_collection, f"tenant_{tenant.id}")
    whole.make_ready(tenant)
    whole.delete(tenant)
    assert run("partitions", "reconcile", "--once").exit_code == 0
    assert whole.departure(tenant).outcome == "dropped"
