"""Conditions of tenants, their collections' room, and the work on many of them."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from webapp.conditions import kinds
from webapp.conditions.condition import ActorName, Condition, Kind, Text, counted, plain
from webapp.conditions.observations import Observations
from webapp.models.causes import Cause
from webapp.models.condition import Severity
from webapp.models.states import UNSETTLED, DriftKind
from webapp.partitions.summary import Headroom
from webapp.statistics.forecast import Forecast

# 10,000 tenants take a few minutes.
TAKES_AT_MOST = timedelta(minutes=15)

# In percent of the limit, and in days until it is full.
WARN_AT, DANGER_AT = 80, 95
WARN_DAYS, DANGER_DAYS = 14, 3


SUSPECTED = plain(
    "The database was restored from a backup: no tenant is created, and nothing is made or "
    "dropped, before it was compared with Milvus."
)


def of_tenants(seen: Observations) -> Iterator[Condition]:
    """Tenants that are not ready, and why; rooms; pauses; long operations."""
    yield from _failed(seen)
    yield from _unsettled(seen)
    yield from _restored(seen)
    yield from _lost(seen)
    yield from _removals(seen)
    yield from _rooms(seen)
    yield from _paused(seen)
    yield from _work(seen)


def severity_of_room(room: Headroom, forecast: Forecast) -> Severity | None:
    """The graver of the share in use and the days that are left; None: enough room, or unknown."""
    if room.used is None:
        return None
    share, days = 100 * room.used // room.limit, forecast.days_left
    if room.left == 0 or share >= DANGER_AT or (days is not None and days <= DANGER_DAYS):
        return Severity.DANGER
    if share >= WARN_AT or (days is not None and days <= WARN_DAYS):
        return Severity.WARNING
    return None


def _failed(seen: Observations) -> Iterator[Condition]:
    causes = seen.summary.causes
    if foreign := causes.get(Cause.FOREIGN_DATA, 0):
        text = counted(
            "%(num)s partition holds rows that are not known to be its tenant's.",
            "%(num)s partitions hold rows that are not known to be their tenants'.",
            foreign,
        )
        yield Condition(kinds.FOREIGN_DATA, Severity.DANGER, text, count=foreign)
    others = [each for each in seen.failures if each.cause != Cause.FOREIGN_DATA]
    if not others:
        return
    failed, first = sum(each.tenants for each in others), others[0]
    text = counted(
        "%(num)s of %(total)s tenants failed: %(cause)s.",
        "%(num)s of %(total)s tenants failed, most of them for: %(cause)s.",
        failed,
        total=seen.summary.tenants,
        cause=first.cause,
    )
    began = min(each.waiting_since for each in others)
    severity, remedy = Severity.DANGER, None
    if seen.missing_collections and {each.cause for each in others} == {Cause.COLLECTION_MISSING}:
        severity, remedy = Severity.INFO, plain(kinds.WAIT_FOR_COLLECTION)
    yield Condition(kinds.TENANTS_FAILED, severity, text, began, failed, remedy=remedy)


def _unsettled(seen: Observations) -> Iterator[Condition]:
    if missing := seen.summary.not_requested:
        text = counted(
            "%(num)s imported tenant has no partition, since none was requested.",
            "%(num)s imported tenants have no partition, since none was requested.",
            missing,
        )
        yield Condition(kinds.TENANTS_NOT_REQUESTED, Severity.INFO, text, count=missing)
    if stuck := seen.drift[DriftKind.STUCK]:
        text = counted(
            "%(num)s tenant is stuck: its request should have ended long ago.",
            "%(num)s tenants are stuck: their requests should have ended long ago.",
            stuck,
        )
        yield Condition(kinds.TENANTS_STUCK, Severity.WARNING, text, count=stuck)


def _restored(seen: Observations) -> Iterator[Condition]:
    restored = seen.summary.restored
    if restored is None or not restored.is_pending:
        return
    if restored.is_suspected:
        text = SUSPECTED
    else:
        text = plain(
            "The database was restored from a backup: nothing is dropped until an operator has "
            "looked at the tenants that are removing."
        )
    severity = Severity.DANGER if restored.is_suspected else Severity.WARNING
    yield Condition(kinds.DATABASE_RESTORED, severity, text, restored.at)


def _lost(seen: Observations) -> Iterator[Condition]:
    if lost := seen.summary.rows_lost:
        text = counted(
            "Rows of %(num)s tenant may be lost: Milvus lost its partition.",
            "Rows of %(num)s tenants may be lost: Milvus lost their partitions.",
            lost,
        )
        yield Condition(kinds.ROWS_MAY_BE_LOST, Severity.WARNING, text, count=lost)


def _removals(seen: Observations) -> Iterator[Condition]:
    if blocked := seen.summary.held_up:
        text = counted(
            "%(num)s deleted tenant's partition cannot be dropped.",
            "%(num)s deleted tenants' partitions cannot be dropped.",
            blocked,
        )
        yield Condition(kinds.REMOVALS_BLOCKED, Severity.WARNING, text, count=blocked)


def _rooms(seen: Observations) -> Iterator[Condition]:
    for number, room in enumerate(seen.summary.collections):
        forecast = seen.forecasts.get(room.collection, Forecast())
        severity = severity_of_room(room, forecast)
        # A collection that is no longer in use may stay full.
        if severity is None or not (number == 0 or (forecast.pace or 0) > 0):
            continue
        names = {"collection": room.collection, "limit": room.limit - 1}
        if room.left == 0:
            text = plain(
                "The collection %(collection)s is full: all %(limit)s places are taken.", **names
            )
            yield Condition(kinds.COLLECTION_FULL, severity, text, subject=room.collection)
        else:
            yield Condition(
                kinds.COLLECTION_FILLING,
                severity,
                _filling(room, forecast, names),
                count=room.left,
                subject=room.collection,
            )


def _filling(room: Headroom, forecast: Forecast, names: dict[str, object]) -> Text:
    left = room.left or 0
    if forecast.days_left is None:
        return counted(
            "The collection %(collection)s has %(num)s of %(limit)s places left.",
            "The collection %(collection)s has %(num)s of %(limit)s places left.",
            left,
            **names,
        )
    return counted(
        "The collection %(collection)s has %(num)s of %(limit)s places left; at its present pace "
        "it is full on %(day)s.",
        "The collection %(collection)s has %(num)s of %(limit)s places left; at its present pace "
        "it is full on %(day)s.",
        left,
        day=forecast.full_on,
        **names,
    )


def _paused(seen: Observations) -> Iterator[Condition]:
    if pause := seen.summary.paused:
        waiting = sum(seen.summary.states[state] for state in UNSETTLED)
        told = {"since": pause.since, "by": ActorName(pause.by), "why": pause.reason}
        text = plain("Provisioning is paused since %(since)s by %(by)s.", **told)
        if waiting and pause.reason:
            text = counted(
                "Provisioning is paused since %(since)s by %(by)s (%(why)s); %(num)s tenant waits.",
                "Provisioning is paused since %(since)s by %(by)s (%(why)s); %(num)s tenants wait.",
                waiting,
                **told,
            )
        elif waiting:
            text = counted(
                "Provisioning is paused since %(since)s by %(by)s; %(num)s tenant waits.",
                "Provisioning is paused since %(since)s by %(by)s; %(num)s tenants wait.",
                waiting,
                **told,
            )
        elif pause.reason:
            text = plain("Provisioning is paused since %(since)s by %(by)s (%(why)s).", **told)
        yield Condition(kinds.PROVISIONING_PAUSED, Severity.WARNING, text, pause.since, waiting)


def _work(seen: Observations) -> Iterator[Condition]:
    operation = plain("An operation on many tenants has not ended within 15 minutes.")
    yield from _unfinished(
        seen, kinds.OPERATION_UNFINISHED, operation, seen.moments.operation_since
    )
    upload = plain("The import of a file has not ended within 15 minutes.")
    yield from _unfinished(seen, kinds.IMPORT_UNFINISHED, upload, seen.moments.upload_since)


def _unfinished(
    seen: Observations, kind: Kind, text: Text, since: datetime | None
) -> Iterator[Condition]:
    if since is not None and seen.at - since > TAKES_AT_MOST:
        yield Condition(kind, Severity.WARNING, text, since)
