"""What befalls time, Redis, Milvus and the settings, behind the product's back."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule
from redis import ConnectionPool
from redis.connection import UnixDomainSocketConnection

from tests.model.world import LONG_S, OTHER, World, any_one

MISHAPS = ["flush_redis", "cut_redis", "change_settings", "make_collection", "lose_a_sweeper"]
MISHAPS += ["arrive_late", "drop_by_hand"]


class Mishaps(World):
    """Rules for all that nobody wants, and nobody can prevent."""

    @rule(seconds=st.sampled_from([1, 3, 6, 11, 16, 31, LONG_S]))
    def pass_by(self, seconds: int) -> None:
        """Time passes: leases run out, pauses end, dispatches grow old."""
        self.clock.pass_by(seconds)

    @rule(what=st.sampled_from(MISHAPS), which=any_one)
    def befall(self, what: str, which: int) -> None:
        """Something happens behind the product's back."""
        getattr(self, what)(which)

    def flush_redis(self, which: int) -> None:
        """All dispatches are lost."""
        self.redis.flush()

    def cut_redis(self, which: int) -> None:
        """No dispatch gets through from now on, until half of the time it does again."""
        if which % 2:
            self.mend_redis()
            return
        nobody = ConnectionPool(UnixDomainSocketConnection, path="/nonexistent/redis.sock")
        for product in self.products:
            product.services.job_queue.connection.connection_pool = nobody

    def change_settings(self, which: int) -> None:
        """The product is started anew with the other collection; who is at work keeps theirs."""
        self.product = next(p for p in self.products if p is not self.product)

    def make_collection(self, which: int) -> None:
        """Somebody makes the collection that was missing."""
        self.milvus.make_collection(name=OTHER)

    def lose_a_sweeper(self, which: int) -> None:
        """A sweeper takes its turn and dies."""
        observations = self.product.observations
        observations.take_turn("dead", timedelta(seconds=5), timedelta(0))

    def arrive_late(self, which: int) -> None:
        """A call whose caller gave up long ago takes its effect."""
        if self.later:
            self.later.pop(0)()

    def drop_by_hand(self, which: int) -> None:
        """Somebody drops a partition."""
        if self.ready:
            row = self.pick(self.ready, which)
            self.milvus.drop_partition(row.collection, row.name)
