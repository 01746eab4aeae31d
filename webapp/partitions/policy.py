"""The rules that requests and attempts follow, taken from the settings once."""

from dataclasses import dataclass
from datetime import timedelta

from webapp.settings import Settings

# The maker of a request dispatches at once; the due loop does it where the maker died before.
DISPATCH_GRACE = timedelta(seconds=2)

# How soon the due loop dispatches again when Redis did not take the dispatch.
DISPATCH_AGAIN = timedelta(seconds=5)

# How often the isolation of partitions is checked, and how soon again when it could not be.
CANARY_EVERY = timedelta(hours=1)
CANARY_AGAIN = timedelta(minutes=5)

# A job that was pushed longer ago than this, and neither waits nor runs, is lost. It is so short
# that what Redis forgot just after it was pushed is there again within a sweep and 5 s.
LOST_AFTER = timedelta(seconds=3)

FIRST_REOPEN_PAUSE = timedelta(seconds=15)
LONGEST_REOPEN_PAUSE = timedelta(minutes=5)
MOST_DOUBLINGS = 8

# Beyond this many at once, dispatches go as chunks to the backfill's queue, so that a sign-up
# never waits behind them.
SINGLES_AT_ONCE = 20


@dataclass(frozen=True)
class Policy:
    """How often, how long and where partitions are made."""

    collection: str
    attempts: int
    backoff: timedelta
    lease: timedelta
    # What one call to Milvus may last.
    timeout: timedelta
    # How long a departing tenant can be called back.
    grace: timedelta
    chunk_size: int
    max_partitions: int

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """The rules that follow from the settings.

        A lease outlasts the two calls of a creation and its proof by 5 s, so that a worker
        that is merely slow does not lose it.
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
    """How long a tenant that keeps failing rests before the sweep's next try."""
    doublings: int = 2 ** min(reopens, MOST_DOUBLINGS)
    return min(FIRST_REOPEN_PAUSE * doublings, LONGEST_REOPEN_PAUSE)
