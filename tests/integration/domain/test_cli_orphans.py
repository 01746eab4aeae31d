"""The commands about orphans: what they print, what they ask, and their exit codes."""

from types import SimpleNamespace

import pytest

from jobs.cli import orphans
from tests.factories import ACTOR, Product
from tests.integration.domain.commands import Run, answer
from tests.milvus_collections import insert_rows

NAME = "tenant_40"


@pytest.fixture
def orphan(whole: Product) -> str:
    """An orphan with three rows, which a sweep has found."""
    whole.store.create_partition(whole.collection, NAME)
    insert_rows(whole.settings.milvus_address, whole.collection, NAME, 3)
    whole.sweep()
    return NAME


def test_orphan_is_counted_and_listed(whole: Product, run: Run, orphan: str) -> None:
    assert "orphan        tenant_40 in" in run("partitions", "orphans", "list").stdout
    result = run("partitions", "orphans", "count", orphan)
    assert (result.exit_code, result.stdout) == (0, "tenant_40: counted, 3 rows\n")
    result = run("partitions", "orphans", "count", orphan, "--json")
    assert (answer(result)["outcome"], answer(result)["rows"]) == ("counted", 3)
    (item,) = answer(run("partitions", "orphans", "list", "--json"))
    assert (item["kind"], item["rows"], item["acknowledged_by"]) == ("orphan", 3, None)
    assert run("partitions", "orphans", "count", "tenant_41").exit_code == 2


def test_verify_is_content_when_the_orphan_is_acknowledged(
    whole: Product, run: Run, orphan: str
) -> None:
    assert run("partitions", "verify").exit_code == 1
    words = ("partitions", "orphans", "acknowledge", orphan)
    assert run(*words, "--reason", "Archive").exit_code == 0
    result = run("partitions", "verify", "--json")
    assert (result.exit_code, answer(result)["drift"]) == (0, False)
    (found,) = answer(result)["acknowledged"]
    assert (found["partition"], found["rows"]) == (NAME, 3)
    assert "acknowledged: 1" in run("partitions", "verify").stdout
    assert ", by cli" in run("partitions", "orphans", "list").stdout
    assert run(*words, "--undo", "--reason", "x").exit_code == 2
    assert run(*words, "--reason", "x\x07").exit_code == 2
    assert run(*words, "--undo").exit_code == 0
    assert run("partitions", "verify").exit_code == 1


def test_orphan_is_adopted_when_a_name_is_given(whole: Product, run: Run, orphan: str) -> None:
    words = ("partitions", "orphans", "adopt", orphan)
    assert run(*words, "--name", " ").exit_code == 2
    result = run(*words, "--name", "Lost")
    assert (result.exit_code, "tenant 40" in result.stdout) == (0, True)
    whole.work()
    assert (whole.row(40).state, whole.row(40).adopted_rows) == ("ready", 3)
    assert run("partitions", "verify").exit_code == 0


def test_orphan_is_dropped_only_when_its_name_is_given_again(
    whole: Product, run: Run, orphan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("partitions", "orphans", "drop", orphan)
    result = run(*words)
    assert (result.exit_code, "--confirm" in result.stderr) == (2, True)
    assert run(*words, "--confirm", "tenant_4").exit_code == 1
    whole.services.pauses.pause(actor=ACTOR)
    result = run(*words, "--confirm", orphan)
    assert (result.exit_code, "provisioning is paused" in result.stderr) == (1, True)
    whole.services.pauses.resume(actor=ACTOR)
    monkeypatch.setattr(orphans, "stdin", lambda: SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(orphans.click, "prompt", lambda *_words, **_options: "tenant_4")
    assert run(*words).exit_code == 1
    assert orphan in whole.listed()
    monkeypatch.setattr(orphans.click, "prompt", lambda *_words, **_options: orphan)
    result = run(*words)
    assert (result.exit_code, result.stdout) == (0, "tenant_40: dropped, 3 rows\n")
    assert whole.listed() == frozenset()
    assert run("partitions", "orphans", "list").stdout == "No orphans.\n"


def test_command_says_why_when_milvus_does_not_answer(simple: Product, run: Run) -> None:
    simple.write(
        "INSERT INTO partition_drift (collection, partition, kind, number, first_seen_at)"
        f" VALUES ('{simple.collection}', '{NAME}', 'orphan', 40, '2026-01-01')"
    )
    result = run("partitions", "orphans", "count", NAME)
    assert result.exit_code == 1
    assert result.stdout.startswith("tenant_40: failed: ")
