"""The drift tab: whether database and Milvus agree, and the advice on each kind of drift."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session

from webapp.admin.wording.times import ago
from webapp.admin.wording.units import counted
from webapp.conditions.milvus import is_stale
from webapp.db.types import utc_now
from webapp.models.states import DriftKind
from webapp.partitions.drift import (
    DRIFT,
    INFORMATION,
    Compared,
    Finding,
    KnownDrift,
    known_drift,
)
from webapp.partitions.orphans import KINDS
from webapp.partitions.policy import Policy
from webapp.partitions.summary import Summary
from webapp.settings import Settings

SHOWN_AT_MOST = 50


@dataclass(frozen=True)
class Advice:
    """The name of a kind of drift, its meaning, and the remedy."""

    word: str
    role: str
    since: str
    meaning: str
    remedy: str


ADVICE = {
    DriftKind.ORPHAN: Advice(
        _l("Orphans"),
        "warning",
        _l("First seen"),
        _l("In Milvus, but of no tenant: after a restored backup, or made by another program."),
        _l(
            "Never dropped by itself. Find out whose rows they are; then decide: make a tenant of "
            "it, keep it, or drop it."
        ),
    ),
    DriftKind.STUCK: Advice(
        _l("Stuck"),
        "warning",
        _l("Since"),
        _l("Should have come to an end long ago, and has not."),
        _l(
            "See whether workers and reconciler run, and whether Milvus answers; "
            "the tenant's timeline says how far it came."
        ),
    ),
    DriftKind.MISSING: Advice(
        _l("Missing"),
        "warning",
        _l("First seen"),
        _l("Ready before, and gone in Milvus. What was in it may be lost."),
        _l(
            "A few are made again by themselves, empty: load their tenants' documents anew, and "
            "find out who dropped them. Behind a brake or a pause they wait."
        ),
    ),
    DriftKind.RESURRECTED: Advice(
        _l("Resurrected"),
        "info",
        _l("First seen"),
        _l("Of a removed tenant, and there again, empty."),
        _l("The sweep drops it again by itself; flask partitions verify --repair does at once."),
    ),
    DriftKind.ACKNOWLEDGED: Advice(
        _l("Acknowledged"),
        "neutral",
        _l("Since"),
        _l("Of no tenant, and kept by decision. This is no drift."),
        "",
    ),
    DriftKind.OTHER: Advice(
        _l("Of other names"),
        "neutral",
        _l("First seen"),
        _l(
            "No tenant's partition can have such a name. They use places all the same. "
            "This is no drift."
        ),
        "",
    ),
    DriftKind.ADOPTED: Advice(
        _l("Adopted"),
        "neutral",
        _l("Since"),
        _l("Was there before it was asked for, and is the tenant's. This is no drift."),
        "",
    ),
}


COUNTED = {
    DriftKind.ORPHAN: counted("%(num)s orphan", "%(num)s orphans"),
    DriftKind.STUCK: counted("%(num)s stuck", "%(num)s stuck"),
    DriftKind.MISSING: counted("%(num)s missing", "%(num)s missing"),
    DriftKind.RESURRECTED: counted("%(num)s resurrected", "%(num)s resurrected"),
}


@dataclass(frozen=True)
class Group:
    """The findings of one kind: their number, and the first of them."""

    kind: DriftKind
    advice: Advice
    count: int
    shown: Sequence[Finding]

    @property
    def counts_rows(self) -> bool:
        """Whether rows are counted in partitions of this kind."""
        return self.kind not in {DriftKind.STUCK, DriftKind.MISSING}

    @property
    def is_decided_here(self) -> bool:
        """Whether each of them has a page with decisions."""
        return self.kind in KINDS

    @property
    def is_folded(self) -> bool:
        """Whether they are shown on demand, as there is nothing to do about them."""
        return self.kind in INFORMATION

    @property
    def unshown(self) -> int:
        return max(self.count - len(self.shown), 0)


def drift_data(
    session: Session, summary: Summary, settings: Settings, policy: Policy
) -> dict[str, Any]:
    """The data of the tab; a bounded number of queries and findings."""
    known = known_drift(session, policy, SHOWN_AT_MOST)
    by_kind: Mapping[DriftKind, Sequence[Finding]] = {
        DriftKind.MISSING: known.missing,
        DriftKind.ORPHAN: known.orphan,
        DriftKind.RESURRECTED: known.resurrected,
        DriftKind.STUCK: known.stuck,
        DriftKind.ADOPTED: known.adopted,
        DriftKind.ACKNOWLEDGED: known.acknowledged,
        DriftKind.OTHER: known.other,
    }
    groups = [Group(kind, ADVICE[kind], known.counts[kind], by_kind[kind]) for kind in ADVICE]
    held = {each.collection for each in known.collections if each.is_held}
    return {
        "agreement": agreement(known, settings, braked=bool(summary.brakes)),
        "groups": [group for group in groups if group.count],
        "is_stale": lambda seen: _is_stale(seen.compared_at, settings),
        "held": held | {settings.milvus_collection},
        "in_use": summary.collections[0],
    }


def agreement(known: KnownDrift, settings: Settings, *, braked: bool = False) -> tuple[str, str]:
    """A role and one sentence. Green only where a recent comparison of all found no drift."""
    in_use = settings.milvus_collection
    watched = [each for each in known.collections if each.is_held or each.collection == in_use]
    found = _summarize(known)
    if moved := next((each for each in watched if each.moved_to), None):
        return "danger", _(
            "The alias %(alias)s stands for another collection now (%(other)s). Nothing is "
            "made again or dropped by that name until it is moved back, or accepted with "
            "flask partitions verify --accept-moved.",
            alias=moved.collection,
            other=moved.moved_to,
        )
    if braked:
        return "danger", _("Collections are held back: decide about them above.")
    if not _all_compared(watched, in_use):
        sentence = _("Not compared yet: whether database and Milvus agree is not known.")
        return "warning", _and(sentence, _("So far: %(found)s.", found=found) if found else "")
    oldest = min(each.compared_at for each in watched if each.compared_at)
    when = ago(oldest)
    if _is_stale(oldest, settings):
        sentence = _(
            "Last compared %(when)s ago: what became of Milvus since is not known.", when=when
        )
        details = _("At that time: %(found)s.", found=found) if found else ""
        return "warning", _and(sentence, details)
    if found:
        return "warning", _(
            "Database and Milvus do not agree: %(found)s. Compared %(when)s ago.",
            found=found,
            when=when,
        )
    return "success", _("Database and Milvus agree, compared %(when)s ago.", when=when)


def _is_stale(compared_at: datetime | None, settings: Settings) -> bool:
    return is_stale(compared_at, utc_now(), settings.reconcile_interval)


def _all_compared(watched: Sequence[Compared], in_use: str) -> bool:
    if in_use not in {each.collection for each in watched}:
        return False
    return all(each.compared_at for each in watched)


def _and(sentence: str, further: str) -> str:
    return f"{sentence} {further}" if further else sentence


def _summarize(known: KnownDrift) -> str:
    return ", ".join(
        COUNTED[kind](count) for kind in ADVICE if kind in DRIFT and (count := known.counts[kind])
    )
