"""Conditions of Milvus and its collections, by the last observations of the sweep."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from webapp.conditions import kinds
from webapp.conditions.condition import Condition, Text, counted, plain
from webapp.conditions.observations import Observations
from webapp.halts.brake_state import BrakeState
from webapp.models.causes import NO_ANSWER, Cause
from webapp.models.condition import Severity
from webapp.models.states import UNSETTLED, CanaryOutcome, DriftKind
from webapp.partitions.policy import CANARY_AGAIN, CANARY_EVERY
from webapp.partitions.summary import Headroom

# A comparison is stale after this many sweeps, and not before `AT_LEAST`.
SWEEPS, AT_LEAST = 4, timedelta(minutes=1)
UNCHECKED_AFTER = 3 * CANARY_EVERY
# One check falls into an outage now and then; it is made again as soon as it is due.
NOT_RUN_FOR = 2 * CANARY_AGAIN

OF_CAUSE = {
    Cause.AUTH: kinds.MILVUS_CREDENTIALS,
    Cause.COLLECTION_MISSING: kinds.COLLECTION_MISSING,
    Cause.COLLECTION_MOVED: kinds.ALIAS_MOVED,
}


def of_milvus(seen: Observations) -> Iterator[Condition]:
    """What keeps partitions from being made, and what is not known of Milvus."""
    outage = list(_outage(seen))
    yield from outage
    yield from _brakes(seen)
    if not outage:
        yield from _unknown(seen)
    for collection in seen.summary.collections:
        yield from _isolation(seen, collection)
    yield from _drift(seen)


def is_stale(compared_at: datetime | None, at: datetime, interval_s: float) -> bool:
    """Whether a comparison says nothing of the present any more."""
    return compared_at is None or compared_at < at - longest_without_comparison(interval_s)


def longest_without_comparison(interval_s: float) -> timedelta:
    return max(SWEEPS * timedelta(seconds=interval_s), AT_LEAST)


def _outage(seen: Observations) -> Iterator[Condition]:
    circuit, in_use = seen.summary.circuit, seen.summary.collections[0]
    if circuit.is_open or (in_use.cause in NO_ANSWER and seen.is_fresh(in_use)):
        waiting = sum(seen.summary.states[state] for state in UNSETTLED)
        why = circuit.cause or in_use.cause or Cause.MILVUS_UNREACHABLE
        text = plain("Milvus does not answer (%(cause)s).", cause=why)
        if waiting:
            text = counted(
                "Milvus does not answer (%(cause)s); %(num)s tenant waits.",
                "Milvus does not answer (%(cause)s); %(num)s tenants wait.",
                waiting,
                cause=why,
            )
        # The last answer known; after it, circuit and sweep learn of the outage at their own time.
        since = min(filter(None, (circuit.since, in_use.answered_at)), default=None)
        yield Condition(kinds.MILVUS_DOWN, Severity.DANGER, text, since, waiting)
        return
    braked = {brake.collection: brake for brake in seen.summary.brakes}
    # Told as no answer, and as a brake.
    told = NO_ANSWER | {Cause.COLLECTION_REPLACED}
    for collection in seen.summary.collections:
        if collection.cause and collection.cause not in told and seen.is_fresh(collection):
            yield _refused(collection, collection.cause, braked.get(collection.collection))


def _refused(collection: Headroom, cause: Cause, brake: BrakeState | None) -> Condition:
    kind, name = OF_CAUSE.get(cause, kinds.MILVUS_TROUBLE), collection.collection
    missing = brake.gone if brake and cause == Cause.COLLECTION_MISSING else 0
    text = plain(
        "Nothing can be made in the collection %(collection)s: %(cause)s.",
        collection=name,
        cause=cause,
    )
    if missing:
        text = counted(
            "The collection %(collection)s is missing in Milvus, and with it %(num)s partition: "
            "nothing is made again or dropped there until it is back.",
            "The collection %(collection)s is missing in Milvus, and with it %(num)s partitions: "
            "nothing is made again or dropped there until it is back.",
            missing,
            collection=name,
        )
    since = collection.answered_at
    return Condition(kind, Severity.DANGER, text, since, missing or None, name)


def _brakes(seen: Observations) -> Iterator[Condition]:
    """Disasters that are not repaired before a human has decided.

    That of a missing collection is a consequence of that condition, and no alarm of its own.
    """
    for brake in seen.summary.brakes:
        told = brake.since, brake.gone, brake.collection
        if brake.reason != Cause.COLLECTION_MISSING:
            yield Condition(kinds.BRAKE_ENGAGED, Severity.DANGER, _why_braked(brake), *told)
        elif brake.collection in seen.missing_collections:
            text = plain("The brake of %(collection)s is on, too.", collection=brake.collection)
            yield Condition(
                kinds.BRAKE_ENGAGED, Severity.INFO, text, *told, plain(kinds.ENDS_WITH_IT)
            )
        else:
            remedy = plain(Cause.COLLECTION_MISSING.advice.remedy)
            text = _why_braked(brake)
            yield Condition(kinds.BRAKE_ENGAGED, Severity.DANGER, text, *told, remedy)


def _why_braked(brake: BrakeState) -> Text:
    name = brake.collection
    if brake.reason == Cause.COLLECTION_MISSING:
        return plain(
            "The collection %(collection)s was found missing: nothing is made again or dropped "
            "there until it is back.",
            collection=name,
        )
    if brake.reason == Cause.COLLECTION_REPLACED and not brake.is_inferred:
        return plain(
            "The collection %(collection)s is not the one that was known: nothing is made or "
            "dropped there until an operator decides.",
            collection=name,
        )
    if brake.is_inferred:
        return counted(
            "The one partition in %(collection)s that was ready is gone, as if the collection had "
            "been made anew: nothing is made or dropped there until an operator decides.",
            "All %(num)s partitions in %(collection)s that were ready are gone, as if the "
            "collection had been made anew: nothing is made or dropped there until an operator "
            "decides.",
            brake.gone,
            collection=name,
        )
    return counted(
        "%(num)s of %(total)s partition in %(collection)s is gone at once: none is made again "
        "until an operator decides.",
        "%(num)s of %(total)s partitions in %(collection)s are gone at once: none is made again "
        "until an operator decides.",
        brake.gone,
        total=brake.proven,
        collection=name,
    )


def _unknown(seen: Observations) -> Iterator[Condition]:
    """Observations that are too old, or were never made."""
    in_use = seen.summary.collections[0]
    if not seen.is_lately(in_use.observed_at, seen.settings.observation_lasts):
        if in_use.observed_at:
            text = plain("Milvus was last observed at %(at)s.", at=in_use.observed_at)
        else:
            text = plain("Milvus was not observed yet.")
        yield Condition(kinds.MILVUS_UNOBSERVED, Severity.WARNING, text, in_use.observed_at)
        return
    reasons = {each.reason for each in seen.summary.brakes if each.collection == in_use.collection}
    if reasons - {Cause.PARTITIONS_GONE}:
        # Another collection in its place is not compared, and the brake says so.
        return
    compared_at = in_use.compared_at
    longest = longest_without_comparison(seen.settings.reconcile_interval)
    if seen.summary.tenants and not seen.is_lately(compared_at, longest):
        text = plain("Database and Milvus were never compared.")
        if compared_at:
            text = plain("Database and Milvus were last compared at %(at)s.", at=compared_at)
        yield Condition(kinds.COMPARISON_STALE, Severity.WARNING, text, compared_at)


def _isolation(seen: Observations, collection: Headroom) -> Iterator[Condition]:
    last, name = collection.canary, collection.collection
    if last and last.outcome == CanaryOutcome.FAILED:
        text = plain(
            "Rows of one partition are found through another in %(collection)s: %(message)s",
            collection=name,
            message=last.message,
        )
        yield Condition(kinds.ISOLATION_BROKEN, Severity.DANGER, text, last.at, subject=name)
        return
    is_in_use = collection is seen.summary.collections[0]
    # A check is due only where Milvus answers.
    if last and is_in_use and seen.is_fresh(collection) and not collection.cause:
        not_run_since = last.not_run_since
        since, lasts = (not_run_since, NOT_RUN_FOR) if not_run_since else (last.at, UNCHECKED_AFTER)
        if seen.at - since > lasts:
            why = last.message
            text = plain("The isolation of partitions was not proven lately: %(why)s", why=why)
            yield Condition(kinds.ISOLATION_UNCHECKED, Severity.WARNING, text, since)


def _drift(seen: Observations) -> Iterator[Condition]:
    if orphans := seen.drift[DriftKind.ORPHAN]:
        text = counted(
            "%(num)s partition in Milvus belongs to no tenant.",
            "%(num)s partitions in Milvus belong to no tenant.",
            orphans,
        )
        yield Condition(kinds.PARTITIONS_ORPHANED, Severity.WARNING, text, count=orphans)
    if missing := seen.drift[DriftKind.MISSING]:
        text = counted(
            "%(num)s partition was ready, and is gone in Milvus.",
            "%(num)s partitions were ready, and are gone in Milvus.",
            missing,
        )
        # The brake that holds all of them says the same, and more.
        are_held = missing <= sum(brake.gone for brake in seen.summary.brakes)
        severity = Severity.INFO if are_held else Severity.WARNING
        remedy = plain(kinds.HELD_BY_BRAKE) if are_held else None
        yield Condition(kinds.PARTITIONS_MISSING, severity, text, count=missing, remedy=remedy)
    if back := seen.drift[DriftKind.RESURRECTED]:
        text = counted(
            "%(num)s partition of a removed tenant is there again, empty.",
            "%(num)s partitions of removed tenants are there again, empty.",
            back,
        )
        yield Condition(kinds.PARTITIONS_RESURRECTED, Severity.INFO, text, count=back)
