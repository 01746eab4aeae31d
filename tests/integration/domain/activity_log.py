"""Timelines written by hand: what tests of the charts need to have happened, and when."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select

from tests.factories import Product
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Heartbeat
from webapp.models.partition import PartitionEvent
from webapp.models.statistics import Activity
from webapp.partitions import events
from webapp.statistics.chart import Chart, Span, chart_of


def ago(**units: float) -> datetime:
    return utc_now() - timedelta(**units)


def tell(product: Product, entries: Sequence[dict[str, Any]]) -> None:
    """Add entries to timelines, as transactions do that commit now."""
    columns = ("attempt", "cause", "message")
    rows = [dict.fromkeys(columns) | {"generation": 1} | entry for entry in entries]
    product.write(insert(PartitionEvent), rows)


def lives(
    numbers: Sequence[int], at: datetime, took_s: float = 1.0, **values: Any
) -> list[dict[str, Any]]:
    """Tenants who ask at that moment, and are ready after so many seconds."""
    asked = [{"tenant_id": n, "event": events.REQUESTED, "at": at} for n in numbers]
    ready_at = at + timedelta(seconds=took_s)
    made = [{"tenant_id": n, "event": events.CREATED, "at": ready_at} for n in numbers]
    return [entry | values for entry in (*asked, *made)]


def failure(tenant_id: int, at: datetime, **values: Any) -> dict[str, Any]:
    entry = {"tenant_id": tenant_id, "event": events.CREATE_FAILED, "at": at}
    return entry | {"attempt": 3, "cause": Cause.TIMEOUT} | values


def charted(product: Product, span: Span = Span.HOUR) -> Chart:
    return product.read(chart_of, span)


def totals(product: Product, span: Span = Span.HOUR) -> tuple[int, int, int]:
    total = charted(product, span).total
    return total.signups, total.ready, total.failed


def stored(product: Product) -> list[tuple[Any, ...]]:
    with product.engine.connect() as connection:
        return [
            tuple(row) for row in connection.execute(select(Activity).order_by("resolution", "at"))
        ]


def mark(product: Product) -> datetime:
    (at,) = product.select(select(Heartbeat.at))
    return at


def forget_counts(product: Product) -> None:
    """As if nobody had ever counted."""
    for table in (Activity, Heartbeat):
        product.write(delete(table))


START = datetime(2026, 1, 1, tzinfo=UTC)
