"""The commands that pause and resume, and what others say meanwhile."""

import pytest

from tests.factories import ACTOR, Product
from tests.integration.domain.commands import Run, answer


def test_pause_is_told_until_it_is_over(simple: Product, run: Run) -> None:
    simple.claim(simple.create())
    assert "not paused" in run("partitions", "resume").stdout
    paused = answer(run("partitions", "pause", "--reason", "Upgrade", "--json"))
    (entry,) = simple.audited("provisioning.")
    by = f"cli:{entry.address}"
    assert (paused["paused"]["by"], paused["paused"]["reason"]) == (by, "Upgrade")
    assert paused["under_way"] == 1
    status = answer(run("partitions", "status", "--json"))
    assert status["paused"] == paused["paused"]
    assert f"by {by}: Upgrade" in run("partitions", "status").stdout
    assert answer(run("partitions", "pause", "--json"))["paused"] == paused["paused"]
    said = run("partitions", "pause").stdout
    assert "paused since" in said
    assert "1 still under way" in said
    ended = answer(run("partitions", "resume", "--json"))
    assert (ended["paused"], ended["ended"]) == (None, paused["paused"])
    assert answer(run("partitions", "status", "--json"))["paused"] is None
    run("partitions", "pause")
    assert "is over" in run("partitions", "resume").stdout


@pytest.mark.parametrize("words", [("pause", "--reason", "x" * 501), ("verify", "--repair")])
def test_exit_is_2_when_a_pause_forbids_it_or_has_no_usable_reason(
    simple: Product,
    run: Run,
    words: tuple[str, ...],
) -> None:
    simple.services.pauses.pause("Upgrade", actor=ACTOR)
    result = run("partitions", *words)
    assert (result.exit_code, result.stdout) == (2, "")


def test_exit_of_a_repair_during_a_pause_is_in_the_help(run: Run) -> None:
    assert "--repair during a pause" in " ".join(
        run("partitions", "verify", "--help").stdout.split()
    )
