"""What conditions are judged by: stored observations, read at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.retention import Retention
from webapp.models.states import DriftKind
from webapp.partitions.drift import drift_counts
from webapp.partitions.failures import Family, families
from webapp.partitions.policy import Policy
from webapp.partitions.summary import Headroom, Summary, summary
from webapp.processes.liveness import Processes, processes
from webapp.retention import stalled
from webapp.settings import Settings
from webapp.statistics.forecast import Forecast, forecasts
from webapp.statistics.liveness import Moments, moments


@dataclass(frozen=True)
class Observations:
    """Everything that is known, without a call to Redis or Milvus."""

    at: datetime
    settings: Settings
    summary: Summary
    failures: Sequence[Family]
    drift: Mapping[DriftKind, int]
    moments: Moments
    forecasts: Mapping[str, Forecast]
    processes: Processes
    stalled: Sequence[Retention]

    def is_fresh(self, collection: Headroom) -> bool:
        """Whether the last observation of the collection is not too old to say something."""
        observed_at = collection.observed_at
        return observed_at is not None and self.at - observed_at <= self.settings.observation_lasts

    @property
    def missing_collections(self) -> frozenset[str]:
        """The collections that Milvus does not have, where a sweep has just seen that."""
        return frozenset(
            each.collection
            for each in self.summary.collections
            if each.cause == Cause.COLLECTION_MISSING and self.is_fresh(each)
        )

    def is_lately(self, last: datetime | None, within: timedelta) -> bool:
        """Whether what is done again and again was done within this time.

        The time in which the database took nothing does not count: nothing could be noted.
        """
        last = max(filter(None, (last, self.moments.back)), default=None)
        return last is not None and self.at - last <= within


def observe(session: Session, settings: Settings) -> Observations:
    """Read all observations; a bounded number of queries over indexes."""
    counts = summary(session, settings)
    return Observations(
        at=utc_now(),
        settings=settings,
        summary=counts,
        failures=families(session) if counts.causes else [],
        drift=drift_counts(session, Policy.model_validate(settings)),
        moments=moments(session),
        forecasts=forecasts(session, counts.collections),
        processes=processes(session),
        stalled=stalled(session),
    )
