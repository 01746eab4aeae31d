"""Conditions of the product's own processes and of Redis, by their last signs of life."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from webapp.conditions import kinds
from webapp.conditions.condition import Condition, Label, Text, counted, plain
from webapp.conditions.observations import Observations
from webapp.models.condition import Severity
from webapp.models.process import ProcessKind
from webapp.models.states import UNSETTLED
from webapp.processes.agreement import DECIDES_PLACE, disagreements, odd_one, releases
from webapp.processes.heartbeat import DOWN, SUSPENDED
from webapp.processes.liveness import SILENT_AFTER, Seen
from webapp.queue.redis_writes import Refusal

# The due loop shows every five seconds that it works.
STALLED_AFTER = timedelta(seconds=20)
# A loop of a process that has just begun.
BEGINS_WITHIN = timedelta(seconds=20)
# A rolling upgrade takes a while.
UPGRADED_WITHIN = timedelta(minutes=30)


def of_parts(seen: Observations) -> Iterator[Condition]:
    """Redis, workers, reconciler and archive, and whether the processes' settings agree."""
    yield from _redis(seen.processes.alive)
    yield from _workers(seen)
    yield from _reconciler(seen)
    yield from _silent(seen)
    yield from _agreement(seen)
    yield from _archive(seen)


def _redis(alive: Sequence[Seen]) -> Iterator[Condition]:
    """What the processes that work were answered; they may see different servers."""
    down = [each for each in alive if each.redis == DOWN]
    refused = [each for each in alive if each.refusal]
    if down:
        text = counted(
            "Redis does not answer %(num)s process.",
            "Redis does not answer %(num)s processes.",
            len(down),
        )
        since = min(each.redis_since for each in down)
        yield Condition(kinds.REDIS_DOWN, Severity.DANGER, text, since, len(down))
    if refused:
        text = plain("Redis takes no writes (%(why)s).", why=_label(refused[0].refusal))
        since = min(each.redis_since for each in refused)
        yield Condition(kinds.REDIS_REFUSES_WRITES, Severity.DANGER, text, since, len(refused))


def _label(refusal: Refusal | None) -> Label | None:
    return Label(refusal.label) if refusal else None


def _workers(seen: Observations) -> Iterator[Condition]:
    workers = seen.processes.of(ProcessKind.WORKER)
    waiting = sum(seen.summary.states[state] for state in UNSETTLED)
    if not workers:
        if not _is_restarting(seen, ProcessKind.WORKER):
            severity = Severity.DANGER if waiting else Severity.WARNING
            since = _none_since(seen, ProcessKind.WORKER)
            yield Condition(kinds.NO_WORKERS, severity, _no_worker(seen, waiting), since, waiting)
    elif any(each.redis == SUSPENDED for each in workers):
        text = plain("All workers are suspended by RQ's own command.")
        since = min(each.redis_since for each in workers if each.redis == SUSPENDED)
        yield Condition(kinds.WORKERS_SUSPENDED, Severity.WARNING, text, since, len(workers))


def _no_worker(seen: Observations, waiting: int) -> Text:
    lost = _last_lost(seen, ProcessKind.WORKER)
    if waiting and lost:
        return counted(
            "No worker works; %(num)s tenant waits. Pid %(pid)s on %(host)s gives no sign of life.",
            "No worker works; %(num)s tenants wait. Pid %(pid)s on %(host)s gives no sign of life.",
            waiting,
            **lost,
        )
    if waiting:
        return counted(
            "No worker works; %(num)s tenant waits.",
            "No worker works; %(num)s tenants wait.",
            waiting,
        )
    if lost:
        return plain("No worker works: pid %(pid)s on %(host)s gives no sign of life.", **lost)
    return plain("No worker works.")


def _reconciler(seen: Observations) -> Iterator[Condition]:
    working = seen.processes.of(ProcessKind.RECONCILER)
    if not working:
        if not _is_restarting(seen, ProcessKind.RECONCILER):
            text = plain("No reconciler works: nothing is repaired or removed.")
            if lost := _last_lost(seen, ProcessKind.RECONCILER):
                text = plain(
                    "No reconciler works, so nothing is repaired or removed: pid %(pid)s on "
                    "%(host)s gives no sign of life.",
                    **lost,
                )
            since = _none_since(seen, ProcessKind.RECONCILER)
            yield Condition(kinds.NO_RECONCILER, Severity.DANGER, text, since)
        return
    oldest = max(seen.at - each.started_at for each in working)
    if oldest < BEGINS_WITHIN:
        return
    due, swept, sweep_within = seen.moments.due, seen.moments.swept, seen.settings.observation_lasts
    if not seen.is_lately(due, STALLED_AFTER):
        text = plain("The reconciler lives, but what is due was not dispatched lately.")
        yield Condition(kinds.RECONCILER_STALLED, Severity.DANGER, text, due)
    # The first sweep may wait for a Milvus that does not answer.
    elif oldest > sweep_within and not seen.is_lately(swept, sweep_within):
        text = plain("The reconciler lives, but no sweep has ended lately.")
        yield Condition(kinds.RECONCILER_STALLED, Severity.WARNING, text, swept)


def _is_restarting(seen: Observations, kind: ProcessKind) -> bool:
    """Whether one was stopped as it should be, so lately that another may be about to begin."""
    stopped = seen.moments.stopped.get(kind)
    return stopped is not None and seen.at - stopped <= SILENT_AFTER


def _none_since(seen: Observations, kind: ProcessKind) -> datetime | None:
    ends = [each.seen_at for each in seen.processes.silent_of(kind)]
    return max([*ends, *filter(None, [seen.moments.stopped.get(kind)])], default=None)


def _last_lost(seen: Observations, kind: ProcessKind) -> dict[str, str]:
    """Where the last one that died or froze is to be looked for; empty: none did."""
    lost = max(seen.processes.silent_of(kind), key=lambda each: each.seen_at, default=None)
    return {"pid": str(lost.pid), "host": lost.host} if lost else {}


def _silent(seen: Observations) -> Iterator[Condition]:
    """Processes that are dead or frozen; where none of a kind is left, that is told instead."""
    for kind in ProcessKind:
        lost = seen.processes.silent_of(kind)
        if not lost or (kind != ProcessKind.WEB and not seen.processes.of(kind)):
            continue
        first = min(lost, key=lambda each: each.seen_at)
        text = counted(
            "%(num)s process (%(kind)s) gives no sign of life: pid %(pid)s on %(host)s.",
            "%(num)s processes (%(kind)s) give no sign of life, as pid %(pid)s on %(host)s.",
            len(lost),
            kind=kind.value,
            pid=str(first.pid),
            host=first.host,
        )
        yield Condition(
            kinds.PROCESS_SILENT, Severity.WARNING, text, first.seen_at, len(lost), kind.value
        )


def _agreement(seen: Observations) -> Iterator[Condition]:
    alive = seen.processes.alive
    if disputed := disagreements(alive):
        is_grave = not DECIDES_PLACE.isdisjoint(disputed)
        severity = Severity.DANGER if is_grave else Severity.WARNING
        text = _dispute(disputed, odd_one(alive, disputed), is_grave=is_grave)
        yield Condition(kinds.SETTINGS_DISAGREE, severity, text, count=len(disputed))
    if len(different := releases(alive)) > 1:
        newest = max(each.started_at for each in alive)
        text = plain("Processes are of different releases: %(names)s.", names=", ".join(different))
        is_rolling = seen.at - newest < UPGRADED_WITHIN
        severity = Severity.INFO if is_rolling else Severity.WARNING
        yield Condition(kinds.RELEASES_DIFFER, severity, text, newest, len(different))


def _dispute(names: Sequence[str], odd: Seen, *, is_grave: bool) -> Text:
    values = {
        "names": ", ".join(names),
        "kind": odd.kind.value,
        "pid": str(odd.pid),
        "host": odd.host,
    }
    if is_grave:
        return plain(
            "Processes have different settings: %(names)s. No tenant is moved meanwhile. Look at "
            "the %(kind)s with pid %(pid)s on %(host)s first.",
            **values,
        )
    return plain(
        "Processes have different settings: %(names)s. Look at the %(kind)s with pid %(pid)s on "
        "%(host)s first.",
        **values,
    )


def _archive(seen: Observations) -> Iterator[Condition]:
    if seen.stalled:
        first, number = seen.stalled[0], len(seen.stalled)
        text = plain("Old entries are not pruned: %(why)s.", why=first.error)
        yield Condition(kinds.RETENTION_STALLED, Severity.WARNING, text, first.failed_at, number)
