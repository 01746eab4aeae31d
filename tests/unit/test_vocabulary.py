"""One thing has one name: words that were given up for the field's terms do not come back."""

import re
from collections.abc import Iterator
from pathlib import Path

from webapp.settings import PROJECT_ROOT

# A word, and what is said instead of it.
RETIRED = {
    r"wish(es|ed)?": "request",
    r"doorbells?|ring_\w+|rung|ringing": "dispatch, dispatcher, job queue",
    r"upkeep|ghosts?|haunt\w*": "repair, stale failed jobs",
    r"observing|SweepTurn|(take|keep|end)_turn": "observations, LeaderLease",
    r"ledgers?": "drift report",
    r"deeds?|take_down|announce\w*": "audit entry, record",
    r"AnyNumber|ANY_NUMBER|OnceBy\w+": "idempotency key",
    r"leavers?": "removal",
    r"of_before|(tenants|rows) of before": "imported tenants, pre-existing rows",
    r"\w+_lanes?|lanes?|BREATH_S": "loop, PAUSE_BETWEEN_BATCHES_S",
    r"OneAttempt": "Attempt",
}
# Where an old word is what the thing is called outside, or the history of it.
ALLOWED = {
    "tests/unit/test_vocabulary.py",
    "CHANGELOG.md",
    # Migrations name columns and tables as they were then.
    "migrations/versions",
    "tests/integration/domain/test_migrations.py",
}
# A field of the API.
KEPT = re.compile(r"without_wish")
# The one picture that explains the protocol.
PICTURE = ("docs/how-it-works.md", "doorbell")
WORDS = re.compile(rf"(?<![A-Za-z])({'|'.join(RETIRED)})(?![A-Za-z])", re.IGNORECASE)
SUFFIXES = {".py", ".html", ".js", ".css", ".md", ".po", ".toml"}
FOLDERS = (
    *("webapp", "jobs", "launch", "templates", "static", "translations", "docs"),
    *("tests", "bench", "migrations"),
)


def written_files() -> Iterator[Path]:
    """The files of the project that people write, as paths below its root."""
    for folder in FOLDERS:
        yield from (each.relative_to(PROJECT_ROOT) for each in (PROJECT_ROOT / folder).rglob("*"))
    yield from (each.relative_to(PROJECT_ROOT) for each in PROJECT_ROOT.iterdir())


def is_looked_at(path: Path) -> bool:
    return (
        path.suffix in SUFFIXES
        and (PROJECT_ROOT / path).is_file()
        and "vendor" not in path.parts
        and not any(path.as_posix().startswith(each) for each in ALLOWED)
    )


def test_retired_words_do_not_come_back() -> None:
    found = [
        f"{path}:{number}: {match[0]}"
        for path in filter(is_looked_at, written_files())
        for number, line in enumerate((PROJECT_ROOT / path).read_text().splitlines(), 1)
        for match in WORDS.finditer(KEPT.sub("", line))
        if (path.as_posix(), match[0]) != PICTURE
    ]
    assert found == []
