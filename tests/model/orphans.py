"""Orphans: they appear behind the product's back, and operators decide about them."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.drift.observations import observed_collections
from tests.engines.redis import RedisServer
from tests.factories import ACTOR, Product
from tests.model.milvus import DEFAULT, Answer
from tests.model.mishaps import Mishaps
from tests.model.watch import Step
from tests.model.world import COLLECTION, OTHER, answers, any_one
from webapp.csv_import.parsing import FileRow
from webapp.errors import (
    BeingDropped,
    DatabaseRestored,
    DomainError,
    NotAdoptable,
    NotDroppable,
    OrphanBusy,
    OrphanNotFound,
)
from webapp.models.causes import Cause
from webapp.models.naming import number_in
from webapp.models.observed import ObservedCollection, PartitionDrift
from webapp.models.orphan import OrphanRequest
from webapp.models.states import DriftKind, PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions.orphans import KINDS, UNFINISHED, why_not_droppable
from webapp.partitions.policy import ORPHAN_REQUEST_LASTS

ACTIONS = ["adopt", "adopt", "keep", "keep", "take_back", "ask_drop", "ask_drop", "ask_count"]
ACTIONS += ["bring"]
REQUESTS = {"ask_drop", "ask_count"}
ACKNOWLEDGED = DriftKind.ACKNOWLEDGED


class Orphans(Mishaps):
    """Rules for partitions that no tenant has."""

    def __init__(self, product: Product, redis: RedisServer) -> None:
        # Orphans that are to stay while they last, and when the drop of others was asked for.
        self.kept: set[tuple[str, str]] = set()
        self.drops_asked: dict[tuple[str, str], datetime] = {}
        super().__init__(product, redis)

    @rule(which=any_one, has_rows=st.booleans(), elsewhere=st.booleans(), is_seen=st.booleans())
    def make_orphan(self, which: int, has_rows: bool, elsewhere: bool, is_seen: bool) -> None:
        """Another program makes a partition, also of a name that no tenant's can have."""
        number = which % (self.highest_number + 3)
        collection = OTHER if elsewhere else COLLECTION
        place = (collection, f"tenant_{number}" if number else "archive")
        if collection not in self.milvus.collections or place in self.live_places():
            return
        self.milvus.create_partition(*place)
        if has_rows:
            self.milvus.insert_rows(*place, 2)
            self.foreign.add(place)
        if is_seen:
            self.finish(self.begin_at(self.sweep))

    @precondition(lambda self: self.findings())
    @rule(action=st.sampled_from(ACTIONS), which=any_one, said=answers, ends=st.booleans())
    def decide_about_orphan(
        self, action: str, which: int, said: Sequence[Answer], ends: bool
    ) -> None:
        """An operator decides about something that was found, and a reconciler follows."""
        finding = self.pick(self.findings(), which)
        try:
            getattr(self, action)(finding)
        except OrphanNotFound:
            assert finding.kind not in KINDS
        except (OrphanBusy, BeingDropped):
            assert self.is_requested(finding)
        if self.has_hands:
            process = self.begin_at(self.fulfil if action in REQUESTS else self.sweep, said)
            if ends:
                self.finish(process)

    def adopt(self, finding: PartitionDrift) -> None:
        """A tenant gets the number, and nobody else does."""
        number = number_in(finding.partition)
        was_used = self.is_used(number)
        adopt = self.product.services.adoption.adopt
        try:
            tenant = adopt(finding.collection, finding.partition, "Found", actor=ACTOR)
        except NotAdoptable:
            assert was_used
            return
        assert tenant.id == number
        assert not was_used
        self.highest_number = max(self.highest_number, tenant.id)
        self.kept.discard(place_of(finding))

    def bring(self, finding: PartitionDrift) -> None:
        """An import brings the tenant; no partition is requested."""
        number = number_in(finding.partition)
        if number is None or self.is_used(number):
            return
        row = FileRow(2, f"Brought {number}", f"brought-{number}", str(number))
        try:
            self.product.services.uploads.import_all([row], dry_run=False, actor=ACTOR)
        except DatabaseRestored:
            assert not self.is_compared()
            return
        self.highest_number = max(self.highest_number, number)
        self.kept.discard(place_of(finding))

    def keep(self, finding: PartitionDrift) -> None:
        """It is to stay, and no alarm."""
        place = place_of(finding)
        self.product.services.orphans.acknowledge(*place, actor=ACTOR)
        if self.milvus.holds(*place) and place not in self.live_places():
            self.kept.add(place)

    def take_back(self, finding: PartitionDrift) -> None:
        """It is an alarm again."""
        self.product.services.orphans.take_back(*place_of(finding), actor=ACTOR)
        self.kept.discard(place_of(finding))

    def ask_drop(self, finding: PartitionDrift) -> None:
        """It is to go, with its rows."""
        place = place_of(finding)
        try:
            self.product.services.orphans.drop(*place, place[1], actor=ACTOR)
        except NotDroppable:
            assert self.product.read(why_not_droppable, *place)
            return
        self.drops_asked[place] = self.clock.now

    def ask_count(self, finding: PartitionDrift) -> None:
        """How many rows has it?"""
        self.product.services.orphans.count(*place_of(finding), actor=ACTOR)

    def is_used(self, number: int | None) -> bool:
        """Whether no tenant can have this number, or one has it, deleted or not."""
        return number is None or self.product.read(Session.get, Tenant, number) is not None

    def is_requested(self, finding: PartitionDrift) -> bool:
        """Whether a request about a partition of this name, in any collection, is not finished."""
        names = select(OrphanRequest.partition).where(UNFINISHED)
        return finding.partition in self.product.select(names)

    # What must hold.

    def look(self) -> Step:
        step = super().look()
        self.check_orphans(step)
        return step

    def check_orphans(self, step: Step) -> None:
        """What is kept is no alarm, and what a tenant had before the comparison is no orphan."""
        living = {
            (row.collection, row.name): row.state_since
            for row in step.rows
            if row.state not in {None, PartitionState.REMOVED}
        }
        self.kept = {place for place in self.kept - living.keys() if self.milvus.holds(*place)}
        compared = self.product.read(compared_at)
        for finding in self.findings():
            place = place_of(finding)
            assert place not in self.kept or finding.kind == ACKNOWLEDGED
            if since := living.get(place):
                assert compared[finding.collection] <= since, f"{place} is a tenant's"
                assert finding.first_seen_at <= since, f"{place} became a tenant's"

    def check_right(self, kind: str, collection: str, name: str) -> None:
        """None is dropped that nobody asked for, but an empty one of a removed tenant."""
        if kind == "drop" and self.is_orphans_drop(collection, name):
            return
        assert kind != "drop" or (collection, name) not in self.kept
        super().check_right(kind, collection, name)

    def is_orphans_drop(self, collection: str, name: str) -> bool:
        """Whether an orphan is about to be dropped; then it was asked for, and nothing forbids."""
        request = self.request_about(collection, name)
        if request is None or request.finished_at or not request.drop_began_at:
            return False
        assert self.is_compared(), "dropped before the database was compared"
        assert (collection, name) in self.drops_asked, "nobody asked for its drop"
        assert self.clock.now - self.drops_asked[collection, name] <= ORPHAN_REQUEST_LASTS
        assert request.lease_until is not None
        assert request.lease_until > self.clock.now
        assert self.product.read(why_not_droppable, collection, name) is None
        assert name not in {living for _, living in self.live_places()}
        return True

    def note_refusal(self, kind: str, collection: str, name: str, cause: Cause) -> None:
        super().note_refusal(kind, collection, name, cause)
        if cause == Cause.COLLECTION_MISSING:
            # What was found there may be forgotten.
            self.kept = {place for place in self.kept if place[0] != collection}

    def restore_database(self, which: int) -> None:
        """Decisions about orphans are as old as the rest."""
        super().restore_database(which)
        if self.backup is not None:
            self.drops_asked = {}
            self.kept &= {place_of(f) for f in self.findings() if f.kind == ACKNOWLEDGED}

    def request_about(self, collection: str, name: str) -> OrphanRequest | None:
        return self.product.read(Session.get, OrphanRequest, (collection, name))

    def findings(self) -> list[PartitionDrift]:
        """What the last comparisons found."""
        order = (PartitionDrift.collection, PartitionDrift.partition)
        return self.product.select(select(PartitionDrift).order_by(*order))

    # The end.

    def check_the_end(self) -> None:
        """All that nobody has is reported, and once it is decided about there is no alarm."""
        self.check_reported(KINDS)
        for decide in (self.adopt, self.ask_drop, self.keep):
            for finding in self.findings():
                if finding.kind == DriftKind.ORPHAN:
                    with suppress(DomainError):
                        decide(finding)
            self.live_on()
        super().check_the_end()
        self.check_reported((ACKNOWLEDGED, DriftKind.OTHER))

    def check_reported(self, kinds: tuple[DriftKind, ...]) -> None:
        """Every partition without a tenant is reported as one of these kinds, and no other is."""
        reported = {place_of(finding): finding.kind for finding in self.findings()}
        assert set(reported.values()) <= set(kinds), reported
        collections = observed_collections(self.product.database, self.product.collection)
        unrequested = {row.name for row in self.now.rows if not row.is_requested}
        theirs = {
            (collection, name)
            for collection, names in self.milvus.collections.items()
            for name in names.keys() - {DEFAULT} - unrequested
            if collection in collections
        }
        assert set(reported) == theirs - self.live_places()


def place_of(finding: PartitionDrift) -> tuple[str, str]:
    return finding.collection, finding.partition


def compared_at(session: Session) -> dict[str, datetime]:
    """When each collection that was compared was listed."""
    is_compared = ObservedCollection.compared_at.is_not(None)
    rows = session.execute(
        select(ObservedCollection.collection, ObservedCollection.compared_at).where(is_compared)
    )
    return {row.collection: row.compared_at for row in rows}
