"""A tenant's page: its partition, its state, the actions, the timeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import Page, expose, is_fragment, is_late, reading, shell
from webapp.admin.lookups import find_tenant, number_in
from webapp.admin.tenants.operation_link import part_of
from webapp.admin.tenants.snippet import Place, snippet_for
from webapp.admin.tenants.timeline import RequestShown, group_by_request, job_of, sentence_of
from webapp.admin.wording.refusals import sentence
from webapp.db.types import utc_now
from webapp.errors import DomainError
from webapp.models.operation import Operation
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.states import GONE, UNSETTLED, PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions import events as timeline
from webapp.partitions.collection_schema import schema_of
from webapp.partitions.events import origin_in, origin_of
from webapp.partitions.summary import Headroom
from webapp.tenants.queries import departure_of, list_events

EVENTS_SHOWN = 50
# Further events are read, to show what the last ones waited for.
LOOKED_BACK = 20

# A removal that is due within this time is refreshed more often.
SOON = timedelta(minutes=1)
# RQ's result_ttl.
JOB_KEPT = timedelta(seconds=500)

ENDS = {
    timeline.CREATED,
    timeline.ALREADY_EXISTS,
    timeline.CREATE_FAILED,
    timeline.HANDED_BACK,
    timeline.LEASE_EXPIRED,
}


class DetailViews(Page):
    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        return self.render("admin/tenant/details.html", **_details(find_tenant()))

    @expose("/live/")
    def live(self) -> ResponseReturnValue:
        return self.render("admin/tenant/_live.html", fragment=True, **_details(find_tenant()))

    @expose("/retry/", methods=("POST",))
    def retry(self) -> ResponseReturnValue:
        # Not `id`: such a field would hide the form's own `id` from scripts.
        tenant_id = number_in(request.form.get("tenant_id"))
        try:
            current.tenants().retry(tenant_id, actor=current.actor())
        except DomainError as error:
            message, role = sentence(error), "danger"
        else:
            message = _("Queued at %(time)s.", time=f"{utc_now():%H:%M:%S} UTC")
            role = "info"
        if is_fragment():
            return self.render("admin/_said.html", text=message, role=role)
        flash(message, role)
        return redirect(self.get_url(".details_view", id=tenant_id))


@dataclass(frozen=True)
class Story:
    """A part of the timeline, and where the older events are."""

    requests: Sequence[RequestShown]
    # The event before which older ones begin; None without any.
    older: int | None
    is_latest: bool


def _details(tenant: Tenant) -> dict[str, Any]:
    partition = tenant.partition
    is_gone = partition.state in GONE
    latest = list_events(reading(), tenant.id, EVENTS_SHOWN + LOOKED_BACK).items
    story = _story(tenant, latest)
    number = partition.operation_id
    operation = reading().get(Operation, number) if number else None
    return {
        "model": tenant,
        "partition": partition,
        "departure": departure_of(reading(), tenant.id) if is_gone else None,
        "owns_rows": partition.owns_rows,
        "proven_at": _proven_at(partition),
        "looked": _observation_of(partition),
        "story": story,
        "kept_job": _kept_job(partition, latest),
        "many": part_of(operation, story.requests),
        "current_request": _current_request(partition, latest),
        "last": next((event for event in latest if event.event in ENDS), None),
        "snippet": None if is_gone or not partition.is_requested else _snippet(partition),
        "stuck": is_late(partition),
        "every": 1 if _changes_soon(partition) else 2,
    }


def _story(tenant: Tenant, latest: Sequence[PartitionEvent]) -> Story:
    before = request.args.get("before")
    events = latest
    if before is not None:
        cursor = str(number_in(before))
        events = list_events(reading(), tenant.id, EVENTS_SHOWN + LOOKED_BACK, cursor).items
    has_older = len(events) > EVENTS_SHOWN
    return Story(
        requests=group_by_request(events, EVENTS_SHOWN),
        older=events[EVENTS_SHOWN - 1].id if has_older else None,
        is_latest=before is None,
    )


def _kept_job(partition: Partition, latest: Sequence[PartitionEvent]) -> str | None:
    """The job that RQ keeps, whose page admins may open: the last one, for some time."""
    last = next((event for event in latest if job_of(event)), None)
    if last is None or not shell().may_administer:
        return None
    # A failed job is kept until the next dispatch, a finished one for `JOB_KEPT`.
    is_open = partition.state in {*UNSETTLED, PartitionState.FAILED}
    return last.job_id if is_open or last.at > utc_now() - JOB_KEPT else None


def _current_request(partition: Partition, latest: Sequence[PartitionEvent]) -> str | None:
    """Whether this is the original or a retry, and who asked for it."""
    if not partition.is_requested:
        return None
    origin = origin_in(latest, partition.generation) or origin_of(reading(), partition)
    return sentence_of(partition.generation, origin)


def _snippet(partition: Partition) -> Any:
    settings = current.settings()
    schema = schema_of(reading(), partition.collection)
    place = Place(
        settings.milvus_address, partition.collection, partition.name, settings.milvus_tls
    )
    return snippet_for(place, schema)


def _observation_of(partition: Partition) -> Headroom | None:
    """What the sweep last saw of the partition's collection."""
    seen = shell().summary.collections
    return next((each for each in seen if each.collection == partition.collection), None)


def _proven_at(partition: Partition) -> datetime | None:
    """When the partition was last seen in Milvus: by a worker, or in a list the sweep compared.

    A partition that is missing in a comparison is not ready any more.
    """
    if partition.state != PartitionState.READY:
        return partition.verified_at
    observation = _observation_of(partition)
    proven_at = partition.verified_at or partition.state_since
    if observation is None or observation.compared_at is None:
        return proven_at
    return max(proven_at, observation.compared_at)


def _changes_soon(partition: Partition) -> bool:
    if partition.state in UNSETTLED:
        return True
    due = partition.remove_at
    return partition.state == PartitionState.REMOVING and bool(due and due < utc_now() + SOON)
