"""The condition of tenants that wait: for what, and whether for too long."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from webapp.conditions import kinds
from webapp.conditions.condition import Condition, Kind, Label, Text, counted, plain
from webapp.conditions.observations import Observations
from webapp.models.condition import Severity
from webapp.models.states import UNSETTLED
from webapp.texts import N_

# A tenant becomes ready in less than a second. One that waits longer than this is told as such.
LONG_WAIT = timedelta(seconds=60)

# What keeps tenants waiting while it is present; the first one is named.
HOLDS: dict[Kind, str] = {
    kinds.DATABASE_REFUSES_WRITES: N_("the database takes no writes"),
    kinds.DATABASE_RESTORED: N_("the database was restored from a backup"),
    kinds.PROVISIONING_PAUSED: N_("provisioning is paused"),
    kinds.BRAKE_ENGAGED: N_("an operator must decide first"),
    kinds.MILVUS_DOWN: N_("Milvus does not answer"),
    kinds.MILVUS_CREDENTIALS: N_("Milvus refuses the credentials"),
    kinds.COLLECTION_MISSING: N_("the collection is missing"),
    kinds.REDIS_DOWN: N_("Redis does not answer"),
    kinds.REDIS_REFUSES_WRITES: N_("Redis takes no writes"),
    kinds.NO_WORKERS: N_("no worker works"),
    kinds.WORKERS_SUSPENDED: N_("the workers are suspended"),
}
HELD = N_("See to what they wait for; they go on by themselves after it.")


def of_waiting(
    seen: Observations, found: Sequence[Condition], released_at: datetime | None
) -> Iterator[Condition]:
    """Tenants on their way, by the conditions that were found and the end of the last hold."""
    counts, since = seen.summary, seen.summary.on_their_way_since
    waiting = sum(counts.states[state] for state in UNSETTLED)
    if not waiting:
        return
    held = _hold(seen, found)
    # After a hold all of them go on at once, however long they have waited.
    began = since if held else max(filter(None, (since, released_at)), default=None)
    is_long = began is not None and seen.at - began > LONG_WAIT
    severity = Severity.WARNING if is_long else Severity.INFO
    text = _held(seen, waiting, held) if held else _on_their_way(seen, waiting)
    remedy = plain(HELD) if held else None
    yield Condition(kinds.TENANTS_WAITING, severity, text, since, waiting, remedy=remedy)


def _hold(seen: Observations, found: Sequence[Condition]) -> Label | None:
    in_use = seen.settings.milvus_collection
    # Information does not hold: a restore that was compared holds drops alone.
    grave = {
        each.kind: each
        for each in found
        if each.subject in {"", in_use} and each.severity is not Severity.INFO
    }
    restored = grave.get(kinds.DATABASE_RESTORED)
    if restored and restored.severity is not Severity.DANGER:
        del grave[kinds.DATABASE_RESTORED]
    return next((Label(why) for kind, why in HOLDS.items() if kind in grave), None)


def _held(seen: Observations, waiting: int, why: Label) -> Text:
    return counted(
        "%(num)s of %(total)s tenants waits: %(why)s.",
        "%(num)s of %(total)s tenants wait: %(why)s.",
        waiting,
        total=seen.summary.tenants,
        why=why,
    )


def _on_their_way(seen: Observations, waiting: int) -> Text:
    total = seen.summary.tenants
    if again := seen.summary.trying_again:
        return counted(
            "%(num)s of %(total)s tenants is being provisioned, after a failure.",
            "%(num)s of %(total)s tenants are being provisioned; %(again)s of them failed before.",
            waiting,
            total=total,
            again=again,
        )
    return counted(
        "%(num)s of %(total)s tenants is being provisioned.",
        "%(num)s of %(total)s tenants are being provisioned.",
        waiting,
        total=total,
    )
