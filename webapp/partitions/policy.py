"""The rules for requests and attempts, from the settings."""

from dataclasses import dataclass
from datetime import timedelta

from webapp.settings import Settings

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

FIRST_REOPEN_PAUSE = timedelta(seconds=15)
LONGEST_REOPEN_PAUSE = timedelta(minutes=5)
MOST_DOUBLINGS = 8

# More dispatches than this go as chunks to the backfill's queue, so that sign-ups do not wait.
SINGLES_AT_ONCE = 20


@dataclass(frozen=True)
class Policy:
    """How often, how long and where partitions are made."""

    collection: str
    attempts: int
    backoff: timedelta
    lease: timedelta
    # The time-out of one call to Milvus.
    timeout: timedelta
    # How long a deleted tenant can be restored.
    grace: timedelta
    chunk_size: int
    max_partitions: int

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """The rules that follow from the settings.

        A lease outlasts the two calls of a creation and its proof by 5 s, so that a slow worker
        does not lose it.
        """
        return cls(
            collection=settings.milvus_collection,
            attempts=settings.partition_attempts,
            backoff=timedelta(seconds=settings.partition_backoff),
            lease=timedelta(seconds=2 * settings.milvus_timeout + 5),
            timeout=timedelta(seconds=settings.milvus_timeout),
            grace=timedelta(seconds=settings.partition_grace),
            chunk_size=settings.partition_chunk_size,
            max_partitions=settings.milvus_max_partitions,
        )


def reopen_pause(reopens: int) -> timedelta:
    """The pause before the sweep's next try, which doubles with every try."""
    doublings: int = 2 ** min(reopens, MOST_DOUBLINGS)
    return min(FIRST_REOPEN_PAUSE * doublings, LONGEST_REOPEN_PAUSE)
