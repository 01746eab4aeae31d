"""Whether all working processes have the same settings and the same release."""

import json
from collections import Counter
from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from webapp.processes.liveness import Seen, processes

# While processes disagree about one of these, each would undo what another does.
DECIDES_PLACE = frozenset({"MILVUS_COLLECTION", "MILVUS_URI"})


def disagreements(alive: Sequence[Seen]) -> list[str]:
    """The settings that must be shared, and have several values; in order."""
    values: dict[str, set[str]] = {}
    for each in alive:
        for name, digest in json.loads(each.settings).items():
            values.setdefault(name, set()).add(digest)
    return sorted(name for name, digests in values.items() if len(digests) > 1)


def odd_one(alive: Sequence[Seen], disputed: Collection[str]) -> Seen:
    """The process that should be looked at first: its values are the rarest, or the newest."""

    def values(each: Seen) -> tuple[str, ...]:
        digests = json.loads(each.settings)
        return tuple(digests.get(name, "") for name in disputed)

    times = Counter(map(values, alive))
    newest_first = sorted(alive, key=lambda each: each.started_at, reverse=True)
    return min(newest_first, key=lambda each: times[values(each)])


def releases(alive: Sequence[Seen]) -> list[str]:
    return sorted({each.release for each in alive})


def is_place_disputed(session: Session) -> bool:
    """Whether working processes disagree about where partitions are made."""
    disputed: Collection[str] = disagreements(processes(session).alive)
    return not DECIDES_PLACE.isdisjoint(disputed)
