"""What workers and reconcilers do, call by call, and what becomes of them."""

from collections.abc import Callable, Sequence

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from jobs.provisioning.claims import Outcome
from tests.factories import all_at_once
from tests.model.milvus import KILLED, SHOWN, Answer
from tests.model.workers import HeldProcess
from tests.model.world import World, answers, any_one
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import Provider, Result

OUTCOME = Outcome(Result.CREATED, Provider.SDK)

ACTIONS = ["renew", "record_ready", "record_failure", "record_failure", "hand_back"]


class Toil(World):
    """Rules for the processes that do the work."""

    @precondition(lambda self: self.queued and self.has_hands)
    @rule(which=any_one, said=answers)
    def take_job(self, which: int, said: Sequence[Answer]) -> None:
        """A worker takes a job, and is answered so often."""
        self.answer(self.take(self.pick(self.queued, which)), said)

    @precondition(lambda self: self.has_hands)
    @rule(
        what=st.sampled_from(["sweep", "sweep", "remove_due", "dispatch", "fulfil"]),
        said=answers,
        ends=st.booleans(),
    )
    def reconcile(self, what: str, said: Sequence[Answer], ends: bool) -> None:
        """A reconciler's turn at one of its works; another may be at it already."""
        works: dict[str, Callable[[HeldProcess], object]] = {
            "sweep": self.sweep,
            "remove_due": self.remove_due,
            "dispatch": lambda store: self.product.reconciler(store).dispatch_due(),
            "fulfil": self.fulfil,
        }
        process = self.begin_at(works[what], said)
        if ends:
            self.finish(process)

    @precondition(lambda self: self.processes)
    @rule(which=any_one, said=answers)
    def go_on(self, which: int, said: Sequence[Answer]) -> None:
        """Somebody who stood frozen is answered."""
        self.answer(self.pick(self.processes, which), said)

    @precondition(lambda self: self.processes)
    @rule(which=any_one, at_once=st.booleans())
    def stop(self, which: int, at_once: bool) -> None:
        """A process gets SIGTERM, or SIGKILL."""
        process = self.pick(self.processes, which)
        process.stop.set()
        self.answer(process, [KILLED] if at_once else [])

    # What workers do to rows, one by one: these keep their claims however stale they are.

    @precondition(lambda self: self.now.rows)
    @rule(which=any_one)
    def claim_at_once(self, which: int) -> None:
        """Several workers claim one request at the same moment; one at most gets it."""
        row = self.pick(self.now.rows, which)
        request = (row.tenant_id, row.generation)
        claim = self.product.attempts.claim
        # As a job does first.
        self.product.services.incarnations.check()
        got = all_at_once([lambda: claim([request], "crowd")] * 3)
        claims = [claim for claims in got for claim in claims]
        assert len(claims) <= 1
        self.claims = (self.claims + claims)[-4:]

    @precondition(lambda self: self.claims)
    @rule(action=st.sampled_from(ACTIONS), which=any_one, cause=st.sampled_from(SHOWN))
    def act(self, action: str, which: int, cause: Cause) -> None:
        """Somebody who has or had a claim acts on it."""
        claim = self.pick(self.claims, which)
        getattr(self, action)(claim, cause)

    def renew(self, claim: Partition, cause: Cause) -> None:
        """A worker makes sure of its lease."""
        assert bool(self.product.attempts.renew([claim])) == self.holds(claim)

    def record_ready(self, claim: Partition, cause: Cause) -> None:
        """A worker makes the partition if it may, and in any case says that it did."""
        attempts, place = self.product.attempts, (claim.collection, claim.name)
        if not self.holds(claim):
            assert not attempts.record_ready([claim], OUTCOME, 1)
        elif claim.collection in self.milvus.collections and place not in self.foreign:
            attempts.renew([claim], seen_absent=True)
            self.milvus.create_partition(*place)
            self.saw.add(place)
            assert attempts.record_ready([claim], OUTCOME, 1)

    def record_failure(self, claim: Partition, cause: Cause) -> None:
        """A worker says that its attempt failed."""
        self.refused.add((claim.name, cause))
        recorded = self.product.attempts.record_failure(
            claim, cause, "as the model has it", provider=Provider.SDK, duration_ms=1
        )
        assert recorded == self.holds(claim)

    def hand_back(self, claim: Partition, cause: Cause) -> None:
        """A worker gives its claim up."""
        self.product.attempts.hand_back([claim], "stopped")
