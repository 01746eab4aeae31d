"""The commands that adopt, empty and check; what a human must say before anything is destroyed."""

from typing import Any

import pytest
from click.testing import Result

from jobs.cli import isolation, partitions
from jobs.milvus.client import MilvusPartitionStore
from tests.factories import Product
from tests.integration.domain.test_cli_partitions import Run, answer, run, runner
from tests.integration.domain.test_foreign import occupy
from webapp.models.causes import Cause

__all__ = ["run"]


@pytest.fixture
def failed(whole: Product) -> int:
    tenant = whole.create()
    whole.fail(tenant, Cause.FOREIGN_DATA)
    return tenant.id


def test_partition_is_to_be_adopted_when_its_number_is_given(
    whole: Product, run: Run, failed: int
) -> None:
    result = run("partitions", "adopt", "--tenant-id", str(failed))
    assert (result.exit_code, whole.row(failed).if_exists) == (0, "adopt")
    assert "adopt" in result.stdout


def test_partition_is_to_be_emptied_when_yes_was_said(
    whole: Product, run: Run, failed: int
) -> None:
    result = run("partitions", "empty", "--tenant-id", str(failed), "--yes")
    assert (result.exit_code, whole.row(failed).if_exists) == (0, "empty")


def test_nothing_is_emptied_when_nobody_can_be_asked(whole: Product, run: Run, failed: int) -> None:
    result = run("partitions", "empty", "--tenant-id", str(failed))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "as the test has it. All of it would be destroyed" in result.stderr
    assert (whole.row(failed).state, whole.row(failed).if_exists) == ("failed", "refuse")


@pytest.mark.parametrize(("said", "state"), [(True, "pending"), (False, "failed")])
def test_human_decides_when_there_is_a_terminal(
    whole: Product,
    run: Run,
    failed: int,
    monkeypatch: pytest.MonkeyPatch,
    said: bool,
    state: str,
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    def confirm(text: str, **options: Any) -> bool:
        if not said:
            raise isolation.click.Abort
        return True

    monkeypatch.setattr(isolation, "stdin", Terminal)
    monkeypatch.setattr(isolation.click, "confirm", confirm)
    result = run("partitions", "empty", "--tenant-id", str(failed))
    assert (result.exit_code, whole.row(failed).state) == (0 if said else 1, state)


@pytest.mark.parametrize("command", [["adopt"], ["empty", "--yes"]])
def test_exit_tells_bad_usage_from_refusal(whole: Product, run: Run, command: list[str]) -> None:
    tenant = whole.create()
    assert run("partitions", *command).exit_code == 2
    assert run("partitions", *command, "--tenant-id", "99").exit_code == 2
    assert run("partitions", *command, "--tenant-id", str(tenant.id)).exit_code == 1


def backfilled(run: Run, *options: str) -> Result:
    return run("partitions", "backfill", "--wait", *options)


def test_backfill_tells_how_much_it_adopted(
    whole: Product, store: MilvusPartitionStore, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, rows in zip(whole.imported_tenants(3), (2, 5, 0), strict=True):
        occupy(whole, store, number, rows)
    monkeypatch.setattr(partitions.time, "sleep", lambda _: whole.work(store))
    report = answer(backfilled(run, "--adopt", "--json"))
    assert (report["ready"], report["adopted"], report["adopted_rows"]) == (3, 2, 7)
    counts = answer(run("partitions", "status", "--json"))
    assert (counts["adopted"], counts["adopted_rows"]) == (2, 7)
    shown = answer(run("partitions", "status", "--tenant-id", "2", "--json"))
    assert shown["adopted_rows"] == 5


def test_backfill_names_the_remedy_when_partitions_held_rows(
    whole: Product, store: MilvusPartitionStore, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (number,) = whole.imported_tenants(1)
    occupy(whole, store, number, 2)

    def meanwhile(_: float) -> None:
        whole.work(store)
        whole.services.dispatcher.dispatch_due()

    monkeypatch.setattr(partitions.time, "sleep", meanwhile)
    result = backfilled(run)
    assert result.exit_code == 1
    assert "1 failed" in result.stdout
    assert "backfill --adopt" in result.stderr
    assert "1 adopted, with 2 rows in all" in backfilled(run, "--adopt").stdout


def test_canary_tells_its_outcome_by_words_and_exit_code(whole: Product, run: Run) -> None:
    result = run("partitions", "canary", "--json")
    assert (result.exit_code, answer(result)["outcome"]) == (0, "passed")
    full = runner(whole.configured(milvus_max_partitions=2))("partitions", "canary")
    assert (full.exit_code, full.stdout.partition(":")[0]) == (3, "not run")
