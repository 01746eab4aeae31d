"""The judgement: all conditions that are present, the gravest first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.conditions.condition import RANK, Condition
from webapp.conditions.kinds import DATABASE_REFUSES_WRITES, ORDER
from webapp.conditions.milvus import of_milvus
from webapp.conditions.observations import Observations, observe
from webapp.conditions.parts import of_parts
from webapp.conditions.tenants import of_tenants
from webapp.models.condition import RaisedCondition
from webapp.settings import Settings

Identity = tuple[str, str]


def present_conditions(
    session: Session, settings: Settings, own: Sequence[Condition] = ()
) -> list[Condition]:
    """Every condition, judged now by the stored observations; `own` is this process's."""
    return judge(observe(session, settings), raised_at(session), own)


def judge(
    seen: Observations, raised: Mapping[Identity, datetime], own: Sequence[Condition] = ()
) -> list[Condition]:
    """The conditions in order; one without a moment of its own has that of its first judgement."""
    # Where no process can store a sign of life, none is known to be silent.
    are_blind = any(each.kind is DATABASE_REFUSES_WRITES for each in own)
    parts = () if are_blind else of_parts(seen)
    found = [*own, *of_milvus(seen), *parts, *of_tenants(seen)]
    return in_order(
        replace(each, since=each.since or raised.get(each.identity, seen.at)) for each in found
    )


def in_order(conditions: Iterable[Condition]) -> list[Condition]:
    return sorted(conditions, key=lambda each: (RANK[each.severity], ORDER[each.key], each.subject))


def raised_at(session: Session) -> dict[Identity, datetime]:
    """When the conditions that were present at the last judgement were first judged."""
    return {
        (row.key, row.subject): row.raised_at for row in session.scalars(select(RaisedCondition))
    }
