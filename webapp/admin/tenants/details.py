"""A tenant's own page: where its vectors go, its state, what to do, and what happened."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import expose, is_fragment, reading, shell
from webapp.admin.lookups import asked, number_in
from webapp.admin.tenants.deletion import Departing, owns_rows
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
from webapp.partitions.stuck import is_stuck
from webapp.partitions.summary import Headroom
from webapp.tenants.queries import departure_of, list_events

EVENTS_SHOWN = 50
# So many more are read, so that the last shown know what they waited for.
LOOKED_BACK = 20

# A departure that is nearer than this is watched closely.
SOON = timedelta(minutes=1)
# What RQ keeps of a job that succeeded.
JOB_KEPT = timedelta(seconds=500)

ENDS = {
    timeline.CREATED,
    timeline.ALREADY_EXISTS,
    timeline.CREATE_FAILED,
    timeline.HANDED_BACK,
    timeline.LEASE_EXPIRED,
}


class Detailing(Departing):
    """The part of the tenants' pages that shows one of them.

    Not beside `Departing`, but on it: Flask-Admin gives each class wrappers of all its views, so
    that of two beside each other the first would hide what the second overrides.
    """

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """One tenant; `before` asks for its older events."""
        return self.render("admin/tenant/details.html", **_details(asked()))

    @expose("/live/")
    def live(self) -> ResponseReturnValue:
        """The part of the details that keeps itself up to date."""
        return self.render("admin/tenant/_live.html", fragment=True, **_details(asked()))

    @expose("/retry/", methods=("POST",))
    def retry(self) -> ResponseReturnValue:
        """Another try for one failed tenant."""
        # Not `id`: a form with a field of that name has no `id` of its own for scripts.
        tenant_id = number_in(request.form.get("tenant_id"))
        try:
            current.tenants().retry(tenant_id, actor=current.actor())
        except DomainError as error:
            said, role = sentence(error), "danger"
        else:
            said = _("Queued at %(time)s.", time=f"{utc_now():%H:%M:%S} UTC")
            role = "info"
        if is_fragment():
            return self.render("admin/_said.html", said=said, role=role)
        flash(said, role)
        return redirect(self.get_url(".details_view", id=tenant_id))


@dataclass(frozen=True)
class Story:
    """A stretch of the timeline, and where the older events are."""

    requests: Sequence[RequestShown]
    # The number of the event that the older ones come before; None where there are none.
    older: int | None
    is_latest: bool


def _details(tenant: Tenant) -> dict[str, Any]:
    partition = tenant.partition
    is_gone = partition.state in GONE
    latest = list_events(reading(), tenant.id, EVENTS_SHOWN + LOOKED_BACK).items
    story = _story(tenant, latest)
    operation = _operation(partition)
    return {
        "model": tenant,
        "partition": partition,
        "departure": departure_of(reading(), tenant.id) if is_gone else None,
        "owns_rows": owns_rows(partition),
        "proven_at": _proven_at(partition),
        "looked": _looked_at(partition),
        "story": story,
        "many": part_of(operation, story.requests),
        "current_request": _current_request(partition, latest),
        "last": next((event for event in latest if event.event in ENDS), None),
        "snippet": None if is_gone or not partition.is_requested else _snippet(partition),
        "stuck": is_stuck(partition, current.services().policy, shell().summary.last_pause),
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
        requests=group_by_request(events, EVENTS_SHOWN, _job_url(tenant.partition, latest)),
        older=events[EVENTS_SHOWN - 1].id if has_older else None,
        is_latest=before is None,
    )


def _job_url(
    partition: Partition, latest: Sequence[PartitionEvent]
) -> Callable[[PartitionEvent], str | None]:
    """Where an event's job can be looked at by whoever may, as long as RQ has it."""
    last = next((event for event in latest if job_of(event)), None)
    if last is None or not shell().may_administer:
        return lambda _event: None
    # A failed job is kept until the next is dispatched, one that succeeded for a while.
    is_open = partition.state in {*UNSETTLED, PartitionState.FAILED}
    is_kept = is_open or last.at > utc_now() - JOB_KEPT

    def url(event: PartitionEvent) -> str | None:
        if not is_kept or event.job_id != last.job_id:
            return None
        return url_for("rq_dashboard.job_view", instance_number=0, job_id=event.job_id)

    return url


def _operation(partition: Partition) -> Operation | None:
    if partition.operation_id is None:
        return None
    return reading().get(Operation, partition.operation_id)


def _current_request(partition: Partition, latest: Sequence[PartitionEvent]) -> str | None:
    """Whether this is the original or a retry, and who asked for it."""
    if not partition.is_requested:
        return None
    origin = origin_in(latest, partition.generation) or origin_of(reading(), partition)
    return sentence_of(partition.generation, origin)


def _snippet(partition: Partition) -> Any:
    address = current.settings().milvus_address
    schema = schema_of(reading(), partition.collection)
    return snippet_for(Place(address, partition.collection, partition.name), schema)


def _looked_at(partition: Partition) -> Headroom | None:
    """What the sweep last saw of the partition's collection."""
    seen = shell().summary.collections
    return next((each for each in seen if each.collection == partition.collection), None)


def _proven_at(partition: Partition) -> datetime | None:
    """When the partition was last seen in Milvus: by a worker, or in a list the sweep compared.

    What is missing from such a list is not ready any more.
    """
    if partition.state != PartitionState.READY:
        return partition.verified_at
    looked = _looked_at(partition)
    proven_at = partition.verified_at or partition.state_since
    if looked is None or looked.compared_at is None:
        return proven_at
    return max(proven_at, looked.compared_at)


def _changes_soon(partition: Partition) -> bool:
    if partition.state in UNSETTLED:
        return True
    due = partition.remove_at
    return partition.state == PartitionState.REMOVING and bool(due and due < utc_now() + SOON)
