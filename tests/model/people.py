"""What customers and operators do, at any moment."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.factories import ACTOR
from tests.model.world import COLLECTION, World, any_one, failed_registry
from webapp.csv_import.parsing import FileRow
from webapp.errors import (
    CollectionIsMissing,
    DatabaseRestored,
    NotBraked,
    NotFailed,
    NotForeign,
    NothingLost,
    NotRemoving,
    SlugTaken,
    TenantDeleted,
)
from webapp.models.causes import Cause
from webapp.models.states import PartitionState

# What somebody may do; what gives the others something to do, more often.
ACTIONS = ["create", "create", "delete", "delete", "restore", "backfill", "retry", "retry_family"]
ACTIONS += ["decide", "rename", "requeue", "insert_rows", "pause", "brake", "brake", "acknowledge"]


class People(World):
    """Rules for all who use the product."""

    @initialize(before=st.integers(0, 3), filled=st.integers(0, 3), count=st.integers(1, 3))
    def begin(self, before: int, filled: int, count: int) -> None:
        """Some customers are older than the product, some have rows already; others sign up."""
        for number in range(1, filled + 1):
            self.milvus.create_partition(COLLECTION, f"tenant_{number}")
            self.milvus.insert_rows(COLLECTION, f"tenant_{number}", 3)
            self.foreign.add((COLLECTION, f"tenant_{number}"))
        rows = [FileRow(n, f"Before {n}", f"before-{n}", str(n)) for n in range(1, before + 1)]
        self.product.services.uploads.import_all(rows, dry_run=False, actor=ACTOR)
        for _ in range(count):
            self.highest_number = self.product.create("Acme").id

    @rule(action=st.sampled_from(ACTIONS), which=any_one, really=st.booleans())
    def somebody(self, action: str, which: int, really: bool) -> None:
        """Somebody does something to one of the tenants."""
        getattr(self, action)(which, really)

    def create(self, which: int, really: bool) -> None:
        """A sign-up; its number is above all there ever were, also before a restore."""
        try:
            tenant = self.product.create("Acme" if really else "Bolt")
        except DatabaseRestored:
            assert not self.is_compared()
            return
        assert tenant.id > self.highest_number
        self.highest_number = tenant.id

    def rename(self, which: int, really: bool) -> None:
        """A new name, which no partition hears of."""
        tenant = self.pick(self.now.tenants, which)
        slug = "acme" if really else f"crab-{which}"
        try:
            self.product.services.tenants.rename(tenant.id, name="New", slug=slug, actor=ACTOR)
        except (SlugTaken, TenantDeleted):
            return
        assert tenant.deleted_at is None

    def delete(self, which: int, really: bool) -> None:
        """A customer leaves."""
        self.product.services.tenants.delete(self.pick(self.now.tenants, which).id, actor=ACTOR)

    def restore(self, which: int, really: bool) -> None:
        """A customer comes back, unless the drop has begun."""
        tenant = self.pick(self.now.tenants, which)
        row = self.row_of(tenant.id)
        is_removing = row is not None and row.state == PartitionState.REMOVING
        may_come_back = is_removing and row is not None and row.drop_began_at is None
        try:
            self.product.services.tenants.restore(tenant.id, actor=ACTOR)
        except NotRemoving:
            assert not may_come_back
        else:
            assert may_come_back

    def retry(self, which: int, really: bool) -> None:
        """An operator tries one again."""
        row = self.pick(self.now.rows, which)
        try:
            self.product.services.tenants.retry(row.tenant_id, actor=ACTOR)
        except NotFailed:
            assert row.state != PartitionState.FAILED
        else:
            assert row.state == PartitionState.FAILED

    def retry_family(self, which: int, really: bool) -> None:
        """An operator tries all again that failed for one cause, or all."""
        cause = self.pick(list(Cause), which) if really else None
        self.product.retry_failed(cause)

    def backfill(self, which: int, really: bool) -> None:
        """`flask partitions backfill`, for all whom it helps or for everybody by number."""
        numbers = [tenant.id for tenant in self.now.tenants] if which % 2 else None
        self.product.backfill(numbers, adopt=really)

    def decide(self, which: int, really: bool) -> None:
        """An operator says what is to become of rows of unknown origin."""
        row = self.pick(self.now.rows, which)
        foreign = self.product.services.foreign
        decision = foreign.empty if really else foreign.adopt
        is_foreign = row.state == PartitionState.FAILED and row.cause == Cause.FOREIGN_DATA
        try:
            decision(row.tenant_id, actor=ACTOR)
        except NotForeign:
            assert not is_foreign
        else:
            assert is_foreign

    def requeue(self, which: int, really: bool) -> None:
        """An operator requeues a failed job in rq-dashboard."""
        if jobs := self.failed_jobs:
            failed_registry(self.queues[0]).requeue(self.pick(jobs, which))

    def pause(self, which: int, really: bool) -> None:
        """An operator pauses all provisioning, or more often lets it go on."""
        pauses = self.product.services.pauses
        if really and which % 2:
            pauses.pause("maintenance", actor=ACTOR)
        else:
            pauses.resume(actor=ACTOR)

    def brake(self, which: int, really: bool) -> None:
        """An operator decides about a collection that is held back."""
        brakes = self.product.services.brakes
        decision = brakes.make_again if really else brakes.wait
        held = self.was_held.get(COLLECTION)
        try:
            decision(COLLECTION, actor=ACTOR)
        except NotBraked:
            assert held is None
        except CollectionIsMissing:
            assert (held, really) == (Cause.COLLECTION_MISSING, True)
        else:
            assert held is not None

    def acknowledge(self, which: int, really: bool) -> None:
        """An operator has loaded a tenant's rows again."""
        row = self.pick(self.now.rows, which)
        is_marked = row.rows_lost_at is not None and row.state == PartitionState.READY
        try:
            self.product.services.losses.acknowledge(row.tenant_id, actor=ACTOR)
        except NothingLost:
            assert not is_marked
        else:
            assert is_marked
            self.made_again.discard(row.tenant_id)

    def insert_rows(self, which: int, really: bool) -> None:
        """A customer's documents come in."""
        for row in self.ready:
            if row.name in self.milvus.collections.get(row.collection, {}):
                self.milvus.insert_rows(row.collection, row.name, 5)
