"""What an operator must do: a list of conditions, each with the page to act on."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for
from markupsafe import Markup

from webapp.admin.base import Shell
from webapp.admin.overview.headroom import Room, full_when
from webapp.admin.partitions.drift import is_stale
from webapp.admin.reconciler import is_gone
from webapp.admin.wording import brakes
from webapp.admin.wording.actors import who
from webapp.admin.wording.labels import CAUSES, WRITES_AGAIN
from webapp.admin.wording.markup import gettext as _
from webapp.admin.wording.reports import quoted
from webapp.admin.wording.times import ago, clock_tag, minute_tag
from webapp.admin.wording.units import percentage
from webapp.db.types import utc_now
from webapp.http.languages import ngettext
from webapp.models.causes import Cause
from webapp.models.states import CanaryOutcome, DriftKind, PartitionState
from webapp.settings import Settings
from webapp.statistics.liveness import Moments

# 10,000 tenants take a few minutes.
TAKES_AT_MOST = timedelta(minutes=15)


@dataclass(frozen=True)
class Need:
    """One condition, and the page where it is handled."""

    key: str
    role: str
    sentence: Markup
    word: Markup
    url: str


def needs(frame: Shell, now: Moments, rooms: list[Room], settings: Settings) -> list[Need]:
    """The present conditions, the gravest first."""
    conditions = [
        *_of_milvus(frame, now, settings),
        *_of_parts(frame, now),
        *_of_tenants(frame),
        *_of_room(rooms),
        *_of_work(now),
    ]
    return sorted(conditions, key=lambda need: need.role != "danger")


def broken_isolation(frame: Shell) -> Markup | None:
    """The failed isolation check, if the last one failed."""
    for seen in frame.summary.collections:
        if seen.canary and seen.canary.outcome == CanaryOutcome.FAILED:
            return Markup("{}: {}").format(seen.collection, quoted(seen.canary.message))
    return None


def _of_milvus(frame: Shell, now: Moments, settings: Settings) -> Iterator[Need]:
    drift = url_for("partitions.index", tab="drift")
    if found := broken_isolation(frame):
        sentence = _(
            "The check of isolation failed in %(found)s. Stop searches until you know why.",
            found=found,
        )
        yield Need("isolation", "danger", sentence, _("Look at it"), drift)
    circuit = frame.summary.circuit
    if circuit.is_open:
        sentence = _(
            "Milvus has been marked down since %(since)s: it answers no attempt. "
            "Restore it; all waiting tenants go on by themselves.",
            since=clock_tag(circuit.since),
        )
        causes = url_for("partitions.index", tab="causes")
        yield Need("circuit", "danger", sentence, _("See why"), causes)
    compared_at = frame.summary.collections[0].compared_at
    if frame.summary.tenants and is_stale(compared_at, settings):
        sentence = _never_compared(frame, now, settings)
        if compared_at:
            sentence = _(
                "Database and Milvus were last compared %(duration)s ago.",
                duration=ago(compared_at),
            )
        yield Need("stale", "warning", sentence, _("See why"), drift)


def _never_compared(frame: Shell, now: Moments, settings: Settings) -> Markup:
    """Blames the reconciler only where no recent sweep has finished."""
    if is_stale(now.swept, settings):
        return _("Database and Milvus were never compared. Does the reconciler run?")
    if cause := frame.summary.collections[0].cause:
        return _(
            "Database and Milvus were never compared: the sweep works, but Milvus says "
            "“%(cause)s”.",
            cause=CAUSES[cause],
        )
    return _("Database and Milvus were not compared yet; the sweep works.")


def _of_parts(frame: Shell, now: Moments) -> Iterator[Need]:
    queues = url_for("partitions.index", tab="queues")
    if pause := frame.summary.paused:
        sentence = _(
            "Provisioning is paused since %(since)s by %(by)s. "
            "Nothing is made until it is resumed.",
            since=clock_tag(pause.since),
            by=who(pause.by),
        )
        yield Need("paused", "warning", sentence, _("Resume"), queues)
    if not frame.board.answers:
        sentence = _("Redis does not answer. Start it; what waits goes on by itself.")
        yield Need("redis", "danger", sentence, _("See queues"), queues)
    elif refusal := frame.board.refusal:
        sentence = Markup("{}").format(WRITES_AGAIN[refusal])
        yield Need("redis", "danger", sentence, _("See queues"), queues)
    elif not frame.board.workers and (jobs := frame.board.waiting):
        sentence = ngettext(
            "No workers are running, and %(num)s job waits. Nothing moves until one starts.",
            "No workers are running, and %(num)s jobs wait. Nothing moves until one starts.",
            jobs,
        )
        yield Need("workers", "danger", sentence, _("See workers"), queues)
    if now.due and is_gone(now.due):
        sentence = _(
            "The reconciler has been silent for %(duration)s. "
            "Start it: until then nothing is repaired or removed.",
            duration=ago(now.due),
        )
        yield Need("reconciler", "danger", sentence, _("See queues"), queues)


def _of_tenants(frame: Shell) -> Iterator[Need]:
    for brake in frame.summary.brakes:
        collection = Markup("<code>{}</code>").format(brake.collection)
        sentence = Markup("{} {}").format(
            brakes.title(brake.reason, collection), brakes.EFFECTS[brake.reason]
        )
        address = url_for("partitions.brake", collection=brake.collection)
        yield Need(f"brake-{brake.collection}", "danger", sentence, _("Decide"), address)
    if lost := frame.summary.rows_lost:
        sentence = ngettext(
            "Rows of %(num)s tenant may be lost: its partition was lost and made again.",
            "Rows of %(num)s tenants may be lost: their partitions were lost and made again.",
            lost,
        )
        address = url_for("tenant.index_view", state="lost")
        yield Need("rows-lost", "warning", sentence, _("Show"), address)
    if foreign := frame.summary.causes.get(Cause.FOREIGN_DATA, 0):
        address = url_for("partitions.index", state=PartitionState.FAILED, cause=Cause.FOREIGN_DATA)
        sentence = ngettext(
            "%(num)s partition holds rows that are not known to be its tenant's.",
            "%(num)s partitions hold rows that are not known to be their tenants'.",
            foreign,
        )
        yield Need("foreign", "danger", sentence, _("Decide"), address)
    if orphans := frame.drift[DriftKind.ORPHAN]:
        sentence = ngettext(
            "%(num)s partition in Milvus belongs to no tenant.",
            "%(num)s partitions in Milvus belong to no tenant.",
            orphans,
        )
        address = url_for("partitions.index", tab="drift", _anchor="kind-orphan")
        yield Need("orphans", "warning", sentence, _("Show"), address)
    if stuck := frame.drift[DriftKind.STUCK]:
        sentence = ngettext(
            "%(num)s tenant is stuck, and should have come to an end long ago.",
            "%(num)s tenants are stuck, and should have come to an end long ago.",
            stuck,
        )
        address = url_for("partitions.index", tab="drift", _anchor="kind-stuck")
        yield Need("stuck", "warning", sentence, _("Show"), address)
    if held_up := frame.summary.held_up:
        sentence = ngettext(
            "%(num)s deleted tenant's partition cannot be dropped; it is tried again and again.",
            "%(num)s deleted tenants' partitions cannot be dropped; it is tried again and again.",
            held_up,
        )
        address = url_for("tenant.index_view", state=PartitionState.REMOVING)
        yield Need("held-up", "warning", sentence, _("Show"), address)


def _of_room(rooms: list[Room]) -> Iterator[Need]:
    for number, room in enumerate(rooms):
        # A collection that is no longer in use may stay full.
        is_growing = number == 0 or (room.forecast.pace or 0) > 0
        if room.role == "success" or not is_growing:
            continue
        sentence = _(
            "The collection %(name)s is %(share)s full. %(when)s",
            name=room.collection,
            share=percentage(room.share),
            when=full_when(room),
        )
        yield Need(f"room-{room.collection}", room.role, sentence, _("See room"), "#headroom")


def _of_work(now: Moments) -> Iterator[Need]:
    sentence = _("An operation on many tenants has been running since %(since)s.")
    yield from _unfinished("operation", now.operation_since, sentence, "operations.index")
    sentence = _("The import of a file has been running since %(since)s.")
    yield from _unfinished("upload", now.upload_since, sentence, "uploads.index")


def _unfinished(
    key: str, since: datetime | None, sentence: Markup, endpoint: str
) -> Iterator[Need]:
    if since is None or utc_now() - since < TAKES_AT_MOST:
        return
    text = sentence % {"since": minute_tag(since)}
    yield Need(key, "warning", text, _("Show"), url_for(endpoint))
