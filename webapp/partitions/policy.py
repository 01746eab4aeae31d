"""The rules for requests and attempts, from the settings."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

# The process that makes a request dispatches it; after a crash of it, the due loop does.
DISPATCH_GRACE = timedelta(seconds=2)

# How soon the due loop dispatches again when Redis did not take the dispatch.
DISPATCH_AGAIN = timedelta(seconds=5)

# The interval of isolation checks, and the shorter one after a check that could not run.
CANARY_EVERY = timedelta(hours=1)
CANARY_AGAIN = timedelta(minutes=5)

# A job that was pushed longer ago than this, and neither waits nor runs, is lost. It is short, so
# that a job which Redis lost just after the push is dispatched again within a sweep and 5 s.
LOST_AFTER = timedelta(seconds=3)

# A drop of an orphan that waits longer, as for a reconciler, is refused: what was confirmed then
# may not be so any more.
ORPHAN_REQUEST_LASTS = timedelta(minutes=15)

FIRST_REOPEN_PAUSE = timedelta(seconds=15)
LONGEST_REOPEN_PAUSE = timedelta(minutes=5)
MOST_DOUBLINGS = 8

# More dispatches than this go as chunks to the backfill's queue, so that sign-ups do not wait.
SINGLES_AT_ONCE = 20


class Policy(BaseModel):
    """How often, how long and where partitions are made: the settings, with their times as such."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    collection: str = Field(alias="milvus_collection")
    attempts: int = Field(alias="partition_attempts")
    backoff: timedelta = Field(alias="partition_backoff")
    # The time-out of one call to Milvus.
    timeout: timedelta = Field(alias="milvus_timeout")
    # How long a deleted tenant can be restored.
    grace: timedelta = Field(alias="partition_grace")
    chunk_size: int = Field(alias="partition_chunk_size")
    max_partitions: int = Field(alias="milvus_max_partitions")

    @property
    def lease(self) -> timedelta:
        """How long a claim holds: two calls, a creation and its proof, and 5 s for slow workers."""
        return 2 * self.timeout + timedelta(seconds=5)


def reopen_pause(reopens: int) -> timedelta:
    """The pause before the sweep's next try, which doubles with every try."""
    doublings: int = 2 ** min(reopens, MOST_DOUBLINGS)
    return min(FIRST_REOPEN_PAUSE * doublings, LONGEST_REOPEN_PAUSE)
