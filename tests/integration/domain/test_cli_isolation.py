"""The commands that adopt, empty and check; what a human must say before anything is destroyed."""

from typing import Any

import pytest

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


@pytest.mark.parametrize(("command", "told"), [("adopt", "adopt"), ("empty --yes", "destroy")])
def test_partition_is_to_be_adopted_or_emptied_when_its_number_is_given(
    whole: Product, run: Run, failed: int, command: str, told: str
) -> None:
    words = ["partitions", *command.split()]
    result = run(*words, "--tenant-id", str(failed))
    assert (result.exit_code, whole.row(failed).if_exists) == (0, words[1])
    assert f"to {told} what" in result.stdout
    assert run(*words).exit_code == 2
    assert run(*words, "--tenant-id", "99").exit_code == 2
    assert run(*words, "--tenant-id", str(failed)).exit_code == 1, "it waits"


def test_nothing_is_emptied_when_there_is_no_terminal_to_ask_at(
    whole: Product, run: Run, failed: int
) -> None:
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


def test_backfill_names_the_remedy_and_tells_how_much_it_adopted(
    whole: Product, store: MilvusPartitionStore, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, rows in zip(whole.imported_tenants(3), (2, 5, 0), strict=True):
        occupy(whole, store, number, rows)

    def meanwhile(_: float) -> None:
        whole.work(store)
        whole.services.dispatcher.dispatch_due()

    monkeypatch.setattr(partitions.time, "sleep", meanwhile)
    refused = run("partitions", "backfill", "--wait")
    assert refused.exit_code == 1
    assert "2 failed" in refused.stdout
    assert "backfill --adopt" in refused.stderr
    report = answer(run("partitions", "backfill", "--wait", "--adopt", "--json"))
    assert (report["ready"], report["adopted"], report["adopted_rows"]) == (2, 2, 7)
    counts = answer(run("partitions", "status", "--json"))
    assert (counts["adopted"], counts["adopted_rows"]) == (2, 7)
    shown = answer(run("partitions", "status", "--tenant-id", "2", "--json"))
    assert shown["adopted_rows"] == 5


def test_canary_tells_its_outcome_by_words_and_exit_code(whole: Product, run: Run) -> None:
    result = run("partitions", "canary", "--json")
    assert (result.exit_code, answer(result)["outcome"]) == (0, "passed")
    full = runner(whole.configured(milvus_max_partitions=2))("partitions", "canary")
    assert (full.exit_code, full.stdout.partition(":")[0]) == (3, "not run")
