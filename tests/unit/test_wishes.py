"""A timeline told by requests: who asked, how long it waited and ran, and which job did it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from webapp.admin.tenants.timeline import SENTENCES, RequestShown, group_by_request
from webapp.admin.wording.actors import who
from webapp.models.partition import PartitionEvent
from webapp.partitions import events as timeline

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entries(*rows: tuple[int | None, str, float, dict[str, Any]]) -> list[PartitionEvent]:
    """Events (request, name, second, further values), newest first."""
    events = [
        PartitionEvent(id=number, generation=request, event=name, at=_at(second), **values)
        for number, (request, name, second, values) in enumerate(rows, 1)
    ]
    return events[::-1]


def _at(second: float) -> datetime:
    return START + timedelta(seconds=second)


TWICE = entries(
    (1, timeline.REQUESTED, 0, {"actor": "token:ci"}),
    (1, timeline.DISPATCHED, 0.1, {"job_id": "t1-g1-d1"}),
    (1, timeline.CREATING, 0.5, {"job_id": "t1-g1-d1"}),
    (1, timeline.CREATE_FAILED, 2, {"job_id": "t1-g1-d1", "duration_ms": 1500}),
    (2, timeline.RETRIED, 60, {"actor": "user:ops@example.com", "job_id": "t1-g1-d1"}),
    (2, timeline.CREATING, 60.02, {"job_id": "t1-g2-d2"}),
    (1, timeline.LEASE_EXPIRED, 61, {}),
    (2, timeline.CREATED, 62, {"job_id": "t1-g2-d2", "duration_ms": 1900}),
)


def names(request: RequestShown) -> list[str]:
    return [moment.event.event.rpartition(".")[2] for moment in request.moments]


def test_each_request_says_what_it_was_and_who_asked_when_there_are_several() -> None:
    later, first = group_by_request(TWICE, 50)
    assert later.sentence == "Request 2: a retry, by ops@example.com"
    assert first.sentence == "Request 1: the original request, by token ci"
    assert names(later) == ["created", "creating", "retried"]
    # What came late from the request before stands with its own request.
    assert names(first)[0] == "lease_expired"


def test_waits_and_runs_are_told_when_attempts_followed_each_other() -> None:
    later, first = group_by_request(TWICE, 50)
    assert [moment.waited_ms for moment in later.moments] == [None, 20, None]
    assert [moment.ran_ms for moment in later.moments] == [1900, None, None]
    assert (later.took_ms, first.took_ms) == (2000, None)
    assert [moment.waited_ms for moment in first.moments] == [None, None, 500, None, None]


def test_a_job_is_told_once_and_not_as_what_asked_for_the_next() -> None:
    later, first = group_by_request(TWICE, 50)
    assert [moment.job_id for moment in later.moments] == ["t1-g2-d2", None, None]
    jobs = [moment.job_id for moment in first.moments]
    assert jobs == [None, "t1-g1-d1", None, None, None]


def test_what_lies_behind_the_page_counts_for_durations_when_it_ends_there() -> None:
    (later,) = group_by_request(TWICE, 1)
    assert names(later) == ["created"]
    assert later.sentence == "Request 2: a retry, by ops@example.com"
    assert later.took_ms == 2000


def test_a_request_is_only_numbered_when_its_beginning_is_further_back() -> None:
    (cut,) = group_by_request(TWICE[:1], 1)
    assert (cut.sentence, cut.origin, cut.took_ms) == ("Request 2", None, None)
    (old,) = group_by_request(entries((None, timeline.CREATED, 0, {})), 1)
    assert old.sentence == "Before requests were counted"


def test_a_departure_is_told_without_its_grace_time() -> None:
    (gone,) = group_by_request(
        entries(
            (3, timeline.REMOVING, 0, {"actor": "cli"}),
            (3, timeline.DROPPING, 600, {}),
            (3, timeline.DROPPED, 600.25, {}),
        ),
        50,
    )
    assert gone.sentence == "Departure: deleted, by the command line"
    assert gone.took_ms is None
    assert gone.moments[0].ran_ms == 250


def test_every_opening_has_its_sentence() -> None:
    assert set(SENTENCES) == timeline.OPENINGS


def test_actors_are_said_in_words() -> None:
    said = {"user:a@b.c": "a@b.c", "sweep": "the sweep", "odd": "odd", "user:": "user:"}
    assert {actor: who(actor) for actor in said} == said
    assert who(None) == "an unknown user"
