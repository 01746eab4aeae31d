"""The commands: exit codes, results alone on stdout, shapes that scripts rely on."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import select

from jobs.cli import partitions
from tests.factories import Product
from tests.integration.domain.commands import Run, answer, runner
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.tenant import Tenant
from webapp.settings import VERSION
from webapp.times import rfc3339


def test_nothing_changes_when_a_backfill_is_a_dry_run(simple: Product, run: Run) -> None:
    simple.imported_tenants(3)
    result = run("partitions", "backfill", "--dry-run", "--json")
    assert answer(result) == {"dry_run": True, "dispatched": 3, "skipped": {}}
    assert result.exit_code == 0
    assert (simple.states(), simple.queued()) == ([], [])
    run("partitions", "backfill")
    simple.make_ready(1)
    named = answer(run("partitions", "backfill", "--tenant-id", "1", "--json"))
    assert named == {"dry_run": False, "dispatched": 0, "skipped": {"ready": 1}}
    assert len(simple.queued()) == 1


def test_logs_are_on_stderr_when_a_backfill_dispatches(simple: Product, run: Run) -> None:
    simple.imported_tenants(2)
    result = run("partitions", "backfill", "--all", "--json")
    became = {"ready": 0, "failed": 0, "waiting": 2, "elsewhere": 0}
    assert answer(result) == {"dry_run": False, "dispatched": 2, "skipped": {}} | became
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    asked, *events = [line["event"] for line in lines]
    assert asked == "audit"
    assert events == [
        *["milvus.partition.requested"] * 2,
        "operation.finished",
        *["milvus.partition.dispatched"] * 2,
    ]


@pytest.mark.parametrize("failed", [0, 1])
def test_exit_tells_whether_all_that_were_waited_for_are_ready(
    simple: Product, run: Run, monkeypatch: pytest.MonkeyPatch, failed: int
) -> None:
    simple.imported_tenants(2)

    def meanwhile(_: float) -> None:
        simple.make_ready(1)
        if failed:
            simple.fail(2, Cause.AUTH)
        else:
            simple.make_ready(2)

    monkeypatch.setattr(partitions.time, "sleep", meanwhile)
    result = run("partitions", "backfill", "--wait", "--json")
    became = {"ready": 2 - failed, "failed": failed, "waiting": 0, "elsewhere": 0}
    report = {"dry_run": False, "dispatched": 2, "skipped": {}} | became
    assert (result.exit_code, answer(result)) == (failed, report)


def test_exit_is_1_when_redis_takes_no_job(simple: Product, run: Run) -> None:
    simple.imported_tenants(2)
    result = runner(simple.without_redis())("partitions", "backfill", "--json")
    assert (result.exit_code, answer(result)["dispatched"]) == (1, 2)
    assert simple.states() == ["pending"] * 2


BAD_USAGE = (
    *(f"partitions backfill --tenant-id {each}" for each in ("99", "x", "0", "9" * 30)),
    *(f"partitions retry --tenant-id {each}" for each in ("99", "9" * 30)),
    *("partitions backfill --all --tenant-id 1", "partitions status --tenant-id 99"),
    *("partitions retry --cause bad", "tenants import /nowhere.csv", "partitions unknown"),
)


def test_exit_is_2_when_the_usage_is_bad(simple: Product, run: Run) -> None:
    for arguments in BAD_USAGE:
        result = run(*arguments.split())
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert "Traceback" not in result.stderr


def test_status_counts_or_shows_one(simple: Product, run: Run) -> None:
    tenant = simple.create()
    simple.imported_tenants(1, first=50)
    counts = answer(run("partitions", "status", "--json"))
    assert (counts["pending"], counts["ready"], counts["without_wish"]) == (1, 0, 1)
    shown = answer(run("partitions", "status", "--tenant-id", str(tenant.id), "--json"))
    assert (shown["name"], shown["status"], shown["cause"]) == ("tenant_1", "pending", None)
    assert answer(run("partitions", "status", "--tenant-id", "50", "--json")) is None
    assert "backfill" in run("partitions", "status", "--tenant-id", "50").stdout


def test_failures_are_grouped_by_cause(simple: Product, run: Run) -> None:
    assert answer(run("partitions", "failed", "--json")) == []
    for n in range(2):
        simple.fail(simple.create(f"T{n}"), Cause.CAPACITY)
    (family,) = answer(run("partitions", "failed", "--json"))
    assert (family["cause"], family["tenants"]) == ("capacity", 2)
    assert family["example"] == {"tenant_id": 2, "error": "as the test has it"}
    assert "MILVUS_MAX_PARTITIONS" in run("partitions", "failed").stdout


def test_failed_ones_are_retried_by_cause(simple: Product, run: Run) -> None:
    simple.fail(simple.create("A"), Cause.AUTH)
    simple.fail(simple.create("B"), Cause.CAPACITY)
    dry = answer(run("partitions", "retry", "--cause", "auth", "--dry-run", "--json"))
    assert (dry["dispatched"], simple.states()) == (1, ["failed", "failed"])
    told = run("partitions", "retry", "--cause", "auth").stdout
    assert told.splitlines() == ["1 dispatched", "0 ready", "0 failed", "1 waiting"]
    assert simple.states() == ["pending", "failed"]
    status = answer(run("partitions", "status", "--json"))
    assert (status["trying_again"], status["waiting_since"]) == (1, began(simple.row(1)))
    run("partitions", "retry")
    assert simple.states() == ["pending", "pending"]


def began(row: Partition) -> str | None:
    return rfc3339(row.waiting_since)


def test_a_retry_that_waits_tells_who_is_ready_failed_or_gone_elsewhere(
    simple: Product, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ABC":
        simple.create_failed(Cause.TIMEOUT, name)

    def meanwhile(_: float) -> None:
        simple.make_ready(1)
        simple.fail(2, Cause.AUTH)
        simple.delete(3)

    monkeypatch.setattr(partitions.time, "sleep", meanwhile)
    result = run("partitions", "retry", "--wait", "--json")
    became = {"ready": 1, "failed": 1, "waiting": 0, "elsewhere": 1}
    assert (result.exit_code, answer(result)) == (
        1,
        {"dry_run": False, "dispatched": 3, "skipped": {}} | became,
    )


def test_what_is_due_is_dispatched_and_dropped_by_one_sweep(whole: Product, run: Run) -> None:
    tenant, gone = whole.create(), whole.create()
    whole.age(tenant, "dispatch_after", 1)
    whole.occupy(gone)
    whole.make_ready(gone)
    whole.delete(gone)
    assert run("partitions", "reconcile", "--once").exit_code == 0
    assert whole.row(tenant).dispatch == 2
    assert whole.departure(gone).outcome == "dropped"


def test_settings_are_shown_with_addresses_without_secrets(simple: Product, run: Run) -> None:
    shown = answer(run("config", "--json"))
    assert shown["version"] == VERSION
    assert run("config").stdout.splitlines()[0].split() == ["version", VERSION]
    assert shown["MILVUS_URI"] == simple.settings.milvus_uri
    assert shown["MILVUS_COLLECTION"] == simple.settings.milvus_collection
    assert shown["SECRET_KEY"] == "********"
    assert simple.settings.secret_key not in run("config").stdout


# tenants import


def imported(run: Run, tmp_path: Path, content: bytes, *options: str) -> Result:
    file = tmp_path / "tenants.csv"
    file.write_bytes(content)
    return run("tenants", "import", str(file), *options)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (
            '\ufeffslug,id,name\r\nacme,7,"Acme, ""the"" first"\r\nother, 9 ,Società\r\n',
            ['Acme, "the" first', "Società"],
        ),
        (
            "\ufeffId;Name ;Slug\n7;'=Formula;formula\n9;Rossi, Bianchi;rossi\n;;\n;;\n",
            ["=Formula", "Rossi, Bianchi"],
        ),
    ],
    ids=["quotes", "a spreadsheet's"],
)
def test_file_is_imported_whatever_its_columns_order_quotes_and_separator(
    simple: Product, run: Run, tmp_path: Path, content: str, names: list[str]
) -> None:
    result = imported(run, tmp_path, content.encode())
    assert (result.exit_code, result.stdout) == (0, "2 tenants were imported\n")
    assert simple.select(select(Tenant.name).order_by(Tenant.id)) == names
    assert simple.backfillable() == [7, 9]


def test_each_fault_of_unusable_rows_is_named(simple: Product, run: Run, tmp_path: Path) -> None:
    simple.create("Taken", slug="taken")
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


@pytest.mark.parametrize(
    ("rows", "options", "told"),
    [("", [], "0 tenants were"), ("7,Acme,acme\n", ["--dry-run"], "1 tenants would be")],
)
def test_no_tenant_is_imported_when_the_file_has_only_a_first_line_or_it_is_a_dry_run(
    simple: Product, run: Run, tmp_path: Path, rows: str, options: list[str], told: str
) -> None:
    result = imported(run, tmp_path, f"id,name,slug\n{rows}".encode(), *options)
    assert (result.exit_code, result.stdout) == (0, f"{told} imported\n")
    assert simple.backfillable() == []


HOSTILE = {
    b"": "first line",
    b"id,name\n1,A\n": "first line",
    b"1,Acme,acme\n": "first line",
    b"id,name,slug\n1,Acme\n": "line 2",
    b"id,name,slug\n1,Acme,acme,more\n": "line 2",
    b'id,name,slug\n1,"Acme,acme\n': "CSV",
    b"id,name,slug\n1,\xff\xfe,acme\n": "UTF-8",
    b"id,name,slug\n1,A\x00cme,acme\n": "line 2",
    b"id,name,slug\n" + b"9" * 5000 + b",Acme,acme\n": "line 2",
    b"id,name,slug\n1," + b"x" * 200_000 + b",acme\n": "",
    b"id,name,slug\n1,A,a\n1,B,b\n": "line 3",
}


def test_nothing_is_imported_and_no_trace_is_shown_when_the_file_is_hostile(
    simple: Product, run: Run, tmp_path: Path
) -> None:
    for content, message in HOSTILE.items():
        result = imported(run, tmp_path, content)
        assert result.exit_code in {1, 2}, content[:99]
        assert (result.stdout, message in result.stderr) == ("", True), content[:99]
        assert result.exception is None or isinstance(result.exception, SystemExit)
    assert simple.backfillable() == []


def test_deleted_tenant_is_called_back_by_command(simple: Product, run: Run) -> None:
    tenant = simple.create(slug="acme")
    simple.delete(tenant, due=False)
    restore = ("tenants", "restore", "--tenant-id")
    back = run(*restore, str(tenant.id))
    assert (back.exit_code, back.stdout) == (0, f"tenant {tenant.id} is back, with the slug acme\n")
    assert run(*restore, str(tenant.id)).exit_code == 1
    assert run(*restore, "999").exit_code == 2
