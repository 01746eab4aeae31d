"""The judgement: all conditions that are present, the gravest first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.conditions.condition import RANK, Condition
from webapp.conditions.kinds import COMPARISON_STALE, MILVUS_UNOBSERVED, ORDER
from webapp.conditions.milvus import of_milvus
from webapp.conditions.observations import Observations, observe
from webapp.conditions.parts import of_parts
from webapp.conditions.tenants import of_tenants
from webapp.conditions.waiting import HOLDS, of_waiting
from webapp.models.condition import RaisedCondition
from webapp.settings import Settings

# What is told of a sweep that stores nothing.
UNOBSERVED = (MILVUS_UNOBSERVED, COMPARISON_STALE)

_HOLDS = frozenset(kind.key for kind in HOLDS)

Identity = tuple[str, str]


@dataclass(frozen=True)
class Own:
    """What the process that judges knows besides the stored observations."""

    conditions: Sequence[Condition] = ()
    # It could not store its own last sign of life, so nothing is known of the other processes'.
    is_blind: bool = False


NOTHING = Own()


def present_conditions(session: Session, settings: Settings, own: Own = NOTHING) -> list[Condition]:
    """Every condition, judged now by the stored observations; `own` is this process's."""
    return judge(observe(session, settings), raised_at(session), own)


def judge(
    seen: Observations, raised: Mapping[Identity, datetime], own: Own = NOTHING
) -> list[Condition]:
    """The conditions in order; one without a moment of its own has that of its first judgement."""
    parts = () if own.is_blind else of_parts(seen)
    milvus = [each for each in of_milvus(seen) if not (own.is_blind and each.kind in UNOBSERVED)]
    found = [*own.conditions, *milvus, *parts, *of_tenants(seen)]
    found += of_waiting(seen, found, _released_at(seen, raised, found))
    return in_order(
        replace(each, since=each.since or raised.get(each.identity, seen.at)) for each in found
    )


def hold_tenants(identities: Iterable[Identity]) -> bool:
    """Whether one of these conditions keeps tenants waiting."""
    return any(key in _HOLDS for key, _ in identities)


def _released_at(
    seen: Observations, raised: Mapping[Identity, datetime], found: Sequence[Condition]
) -> datetime | None:
    """When tenants could go on after the last hold; now, where it ended since it was judged."""
    if hold_tenants(raised.keys() - {each.identity for each in found}):
        return seen.at
    return max(filter(None, (seen.moments.released, seen.moments.back)), default=None)


def in_order(conditions: Iterable[Condition]) -> list[Condition]:
    return sorted(conditions, key=lambda each: (RANK[each.severity], ORDER[each.key], each.subject))


def raised_at(session: Session) -> dict[Identity, datetime]:
    """When the conditions that were present at the last judgement were first judged."""
    return {
        (row.key, row.subject): row.raised_at for row in session.scalars(select(RaisedCondition))
    }
