"""A tenant's timeline, grouped by request, with durations."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from webapp.admin.wording.actors import who
from webapp.models.partition import PartitionEvent
from webapp.partitions import events as timeline
from webapp.partitions.events import OPENINGS, origin_in

# Events after which the next one has waited.
BEGINNINGS = frozenset(
    {
        timeline.REQUESTED,
        timeline.RETRIED,
        timeline.REOPENED,
        timeline.RESTORED,
        timeline.DRIFT,
        timeline.ORPHAN_ADOPTED,
        timeline.ADOPT_REQUESTED,
        timeline.EMPTY_REQUESTED,
        timeline.CREATE_FAILED,
        timeline.HANDED_BACK,
        timeline.LEASE_EXPIRED,
    }
)
PROOFS = frozenset({timeline.CREATED, timeline.ALREADY_EXISTS, timeline.DROPPED, timeline.ABSENT})

SENTENCES = {
    timeline.REQUESTED: _l("Request %(number)s: the original request, by %(who)s"),
    timeline.RETRIED: _l("Request %(number)s: a retry, by %(who)s"),
    timeline.REOPENED: _l("Request %(number)s: another try, by %(who)s"),
    timeline.DRIFT: _l("Request %(number)s: made again, since it was missing in Milvus"),
    timeline.RESTORED: _l("Request %(number)s: called back, by %(who)s"),
    timeline.ORPHAN_ADOPTED: _l("Request %(number)s: made of an orphan, by %(who)s"),
    timeline.ADOPT_REQUESTED: _l("Request %(number)s: to adopt its rows, by %(who)s"),
    timeline.EMPTY_REQUESTED: _l("Request %(number)s: to destroy its rows, by %(who)s"),
    timeline.REMOVING: _l("Departure: deleted, by %(who)s"),
}


@dataclass(frozen=True)
class Moment:
    """One event, its waiting time and duration, and its job."""

    event: PartitionEvent
    waited_ms: int | None
    ran_ms: int | None
    actor: str | None
    # Only on the first of consecutive events of a job.
    job_id: str | None


@dataclass(frozen=True)
class RequestShown:
    """The events of one request, newest first."""

    generation: int | None
    sentence: str
    origin: PartitionEvent | None
    moments: Sequence[Moment]
    # From the request to the proof, in ms.
    took_ms: int | None


def group_by_request(events: Sequence[PartitionEvent], shown: int) -> list[RequestShown]:
    """The first `shown` events by request, newest first; further events only give durations."""
    by_request: dict[int | None, list[PartitionEvent]] = defaultdict(list)
    for event in events:
        by_request[event.generation].append(event)
    visible = {event.id for event in events[:shown]}
    latest_first = sorted(by_request, key=lambda number: -1 if number is None else number)[::-1]
    return [
        _request(number, by_request[number], visible)
        for number in latest_first
        if any(event.id in visible for event in by_request[number])
    ]


def sentence_of(number: int | None, origin: PartitionEvent | None) -> str:
    """Which request it is, its origin, and its author."""
    if origin is not None:
        sentence = str(SENTENCES[origin.event])
        return sentence % {"number": number, "who": who(origin.actor)}
    if number is None:
        return _("Before requests were counted")
    return _("Request %(number)s", number=number)


def job_of(event: PartitionEvent) -> str | None:
    """The job of the event; None for a request, which has none yet."""
    return None if event.event in OPENINGS else event.job_id


def _request(
    number: int | None, events: Sequence[PartitionEvent], visible: set[int]
) -> RequestShown:
    origin = origin_in(events, number)
    proof = next((event for event in events if event.event in PROOFS), None)
    # A removal includes its grace time, so its duration means nothing.
    is_timed = origin is not None and origin.event != timeline.REMOVING
    return RequestShown(
        generation=number,
        sentence=sentence_of(number, origin),
        origin=origin,
        moments=list(_moments(events, visible)),
        took_ms=_between(origin.at, proof.at) if origin and proof and is_timed else None,
    )


def _moments(events: Sequence[PartitionEvent], visible: set[int]) -> Iterator[Moment]:
    for place, event in enumerate(events):
        if event.id not in visible:
            continue
        before = events[place + 1 :]
        is_repeated = place > 0 and job_of(events[place - 1]) == job_of(event)
        yield Moment(
            event=event,
            waited_ms=_waited(event, before),
            ran_ms=_ran(event, before),
            actor=who(event.actor) if event.actor else None,
            job_id=None if is_repeated else job_of(event),
        )


def _waited(event: PartitionEvent, before: Sequence[PartitionEvent]) -> int | None:
    """From the request, or the end of the last attempt, to the start of this one."""
    if event.event != timeline.CREATING:
        return None
    began = next((other for other in before if other.event in BEGINNINGS), None)
    return _between(began.at, event.at) if began else None


def _ran(event: PartitionEvent, before: Sequence[PartitionEvent]) -> int | None:
    if event.duration_ms is not None:
        return event.duration_ms
    if event.event in {timeline.DROPPED, timeline.DROP_FAILED}:
        began = next((other for other in before if other.event == timeline.DROPPING), None)
        return _between(began.at, event.at) if began else None
    return None


def _between(first: datetime, last: datetime) -> int:
    return max(0, round((last - first).total_seconds() * 1000))
