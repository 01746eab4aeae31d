"""What befalls time, Redis, Milvus and the settings, behind the product's back."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule
from redis import ConnectionPool
from redis.connection import UnixDomainSocketConnection

from tests.model.backup import Backup
from tests.model.milvus import KILLED
from tests.model.watch import Watch
from tests.model.world import COLLECTION, LONG_S, OTHER, World, any_one

MISHAPS = ["flush_redis", "cut_redis", "change_settings", "make_collection", "lose_a_sweeper"]
MISHAPS += ["arrive_late", "drop_by_hand", "empty_collection", "replace_collection"]
MISHAPS += ["lose_collection", "back_up", "back_up", "restore_database"]


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
        """Somebody makes the collections that are missing."""
        for name in (COLLECTION, OTHER):
            self.milvus.make_collection(name=name)

    def empty_collection(self, which: int) -> None:
        """Somebody drops every partition."""
        for row in self.ready:
            self.milvus.collections.get(row.collection, {}).pop(row.name, None)

    def replace_collection(self, which: int) -> None:
        """The collection is dropped and made again: it is another one, and empty."""
        if COLLECTION in self.milvus.collections:
            self.milvus.replace_collection(COLLECTION)

    def lose_collection(self, which: int) -> None:
        """Somebody drops the collection."""
        self.milvus.collections.pop(COLLECTION, None)

    def lose_a_sweeper(self, which: int) -> None:
        """A sweeper takes its turn and dies."""
        self.product.lease("dead").take(timedelta(seconds=5))

    def back_up(self, which: int) -> None:
        """A backup of the database is made."""
        self.backup = Backup.of(self.product.engine)

    def restore_database(self, which: int) -> None:
        """All processes are stopped, and the database is restored from the backup."""
        if self.backup is None:
            return
        for process in list(self.processes):
            process.go_on(KILLED)
            self.processes.remove(process)
        self.claims = []
        self.backup.restore(self.product.engine)
        self.incarnation += 1
        self.watch = Watch(self.product.engine)
        rows = self.watch.rows()
        self.made_again = {row.tenant_id for row in rows if row.rows_lost_at is not None}
        # What was made since is not known to be anybody's.
        owned = {(row.collection, row.name) for row in rows if row.owns_rows}
        self.foreign |= {
            (collection, name)
            for collection, partitions in self.milvus.collections.items()
            for name in partitions
            if (collection, name) not in owned and self.milvus.holds_rows(collection, name)
        }

    def arrive_late(self, which: int) -> None:
        """A call whose caller gave up long ago takes its effect."""
        if self.later:
            self.arrive()

    def drop_by_hand(self, which: int) -> None:
        """Somebody drops a partition."""
        if self.ready:
            row = self.pick(self.ready, which)
            self.milvus.collections.get(row.collection, {}).pop(row.name, None)
