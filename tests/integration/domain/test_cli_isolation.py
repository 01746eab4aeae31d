"""The commands that adopt, empty and check; what a human must say before anything is destroyed."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobs.cli import isolation, partitions
from tests.factories import Product
from tests.integration.domain.commands import Run, answer, runner
from webapp.models.causes import Cause


@pytest.fixture
def failed(simple: Product) -> int:
    return simple.create_failed(Cause.FOREIGN_DATA).id


@pytest.mark.parametrize(("command", "told"), [("adopt", "adopt"), ("empty --yes", "destroy")])
def test_partition_is_to_be_adopted_or_emptied_when_its_number_is_given(
    simple: Product, run: Run, failed: int, command: str, told: str
) -> None:
    words = ["partitions", *command.split()]
    result = run(*words, "--tenant-id", str(failed))
    assert (result.exit_code, simple.row(failed).if_exists) == (0, words[1])
    assert f"to {told} what" in result.stdout
    assert run(*words).exit_code == 2
    assert run(*words, "--tenant-id", "99").exit_code == 2
    assert run(*words, "--tenant-id", str(failed)).exit_code == 1, "it waits"


def test_nothing_is_emptied_when_there_is_no_terminal_to_ask_at(
    simple: Product, run: Run, failed: int
) -> None:
    result = run("partitions", "empty", "--tenant-id", str(failed))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "as the test has it. All of it would be destroyed" in result.stderr
    assert (simple.row(failed).state, simple.row(failed).if_exists) == ("failed", "refuse")


def test_human_decides_when_there_is_a_terminal(
    simple: Product, run: Run, failed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter([False, True])

    def confirm(text: str, **options: Any) -> bool:
        if not next(said):
            raise isolation.click.Abort
        return True

    monkeypatch.setattr(isolation, "stdin", lambda: SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(isolation.click, "confirm", confirm)
    for code, state in ((1, "failed"), (0, "pending")):
        result = run("partitions", "empty", "--tenant-id", str(failed))
        assert (result.exit_code, simple.row(failed).state) == (code, state)


def test_backfill_names_the_remedy_and_tells_how_much_it_adopted(
    whole: Product, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, rows in zip(whole.imported_tenants(3), (2, 5, 0), strict=True):
        whole.occupy(number, rows)

    def meanwhile(_: float) -> None:
        whole.work()
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
