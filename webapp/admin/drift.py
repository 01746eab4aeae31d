"""The drift tab: how database and Milvus agree, in one sentence, and what to do about each kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from webapp.admin.words import ago
from webapp.database import utc_now
from webapp.settings import Settings
from webapp.tenants.figures import Summary
from webapp.tenants.findings import DRIFT, Compared, Finding, KnownDrift, known_drift
from webapp.tenants.rules import Rules
from webapp.tenants.states import DriftKind

SHOWN_AT_MOST = 50

# So many sweeps, and never less than this, may pass without a comparison.
SWEEPS = 4
AT_LEAST = timedelta(minutes=1)


@dataclass(frozen=True)
class Advice:
    """What a kind of drift is called, what it means, and what to do about it."""

    word: str
    role: str
    since: str
    meaning: str
    remedy: str


ADVICE = {
    DriftKind.ORPHAN: Advice(
        "Orphans",
        "warning",
        "First seen",
        "In Milvus, and nobody's here: after a restored backup, or made by somebody else.",
        "Never dropped by itself. Find out whose rows they are; then drop the partition in "
        "Milvus, or import its tenant with this number (flask tenants import).",
    ),
    DriftKind.STUCK: Advice(
        "Stuck",
        "warning",
        "Since",
        "Should have come to an end long ago, and has not.",
        "See whether workers and reconciler run, and whether Milvus answers; "
        "the tenant's timeline says how far it came.",
    ),
    DriftKind.MISSING: Advice(
        "Missing",
        "warning",
        "First seen",
        "Ready with us, and gone in Milvus. What was in it is lost.",
        "It is made again by itself, empty. Load the tenant's documents anew, and find out who "
        "dropped it.",
    ),
    DriftKind.RESURRECTED: Advice(
        "Resurrected",
        "info",
        "First seen",
        "Of a removed tenant, and there again, empty.",
        "The sweep drops it again by itself; flask partitions verify --repair does at once.",
    ),
    DriftKind.ADOPTED: Advice(
        "Adopted",
        "neutral",
        "Since",
        "Was there before it was asked for, and is the tenant's. This is no drift.",
        "",
    ),
}


_PLURAL = {DriftKind.ORPHAN: "orphans"}


@dataclass(frozen=True)
class Group:
    """All of one kind: how many there are, and the first of them."""

    kind: DriftKind
    advice: Advice
    count: int
    shown: Sequence[Finding]

    @property
    def counts_rows(self) -> bool:
        """Whether anybody ever asks how many rows such a partition holds."""
        return self.kind not in {DriftKind.STUCK, DriftKind.MISSING}

    @property
    def unshown(self) -> int:
        """How many more there are."""
        return max(self.count - len(self.shown), 0)


def drift_figures(
    session: Session, summary: Summary, settings: Settings, rules: Rules
) -> dict[str, Any]:
    """What the tab shows; a bounded number of queries, and of findings."""
    known = known_drift(session, rules, SHOWN_AT_MOST)
    by_kind: Mapping[DriftKind, Sequence[Finding]] = {
        DriftKind.MISSING: known.missing,
        DriftKind.ORPHAN: known.orphan,
        DriftKind.RESURRECTED: known.resurrected,
        DriftKind.STUCK: known.stuck,
        DriftKind.ADOPTED: known.adopted,
    }
    groups = [Group(kind, ADVICE[kind], known.counts[kind], by_kind[kind]) for kind in ADVICE]
    held = {each.collection for each in known.collections if each.is_held}
    return {
        "agreement": agreement(known, settings),
        "groups": [group for group in groups if group.count],
        "is_stale": lambda seen: is_stale(seen.compared_at, settings),
        "held": held | {settings.milvus_collection},
        "in_use": summary.collections[0],
    }


def agreement(known: KnownDrift, settings: Settings) -> tuple[str, str]:
    """A role and one sentence. Green only where a fresh comparison of all found nothing."""
    in_use = settings.milvus_collection
    watched = [each for each in known.collections if each.is_held or each.collection == in_use]
    found = _found(known)
    if not _all_compared(watched, in_use):
        sentence = "Not compared yet: whether database and Milvus agree is not known."
        return "warning", f"{sentence} So far: {found}." if found else sentence
    oldest = min(each.compared_at for each in watched if each.compared_at)
    if is_stale(oldest, settings):
        sentence = f"Last compared {ago(oldest)} ago: what became of Milvus since is not known."
        return "warning", f"{sentence} At that time: {found}." if found else sentence
    if found:
        return "warning", f"Database and Milvus do not agree: {found}. Compared {ago(oldest)} ago."
    return "success", f"Database and Milvus agree, compared {ago(oldest)} ago."


def is_stale(compared_at: datetime | None, settings: Settings) -> bool:
    """Whether the last comparison is too old to be believed; there may have been none."""
    longest = max(SWEEPS * timedelta(seconds=settings.reconcile_interval), AT_LEAST)
    return compared_at is None or compared_at < utc_now() - longest


def _all_compared(watched: Sequence[Compared], in_use: str) -> bool:
    if in_use not in {each.collection for each in watched}:
        return False
    return all(each.compared_at for each in watched)


def _found(known: KnownDrift) -> str:
    """The counts of drift in words; empty where there is none."""
    return ", ".join(
        f"{count} {_PLURAL.get(kind, kind) if count > 1 else kind}"
        for kind in ADVICE
        if kind in DRIFT and (count := known.counts[kind])
    )
