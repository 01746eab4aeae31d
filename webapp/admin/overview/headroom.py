"""The headroom of the collections, and the forecast, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from babel.dates import format_date
from markupsafe import Markup

from webapp.admin.wording.markup import gettext as _
from webapp.admin.wording.units import decimal, percent
from webapp.conditions.tenants import severity_of_room
from webapp.http.languages import locale, ngettext
from webapp.models.causes import Cause
from webapp.partitions.summary import Headroom
from webapp.statistics.forecast import Forecast


@dataclass(frozen=True)
class Room:
    seen: Headroom
    forecast: Forecast

    @property
    def collection(self) -> str:
        return self.seen.collection

    @property
    def share(self) -> int | None:
        """How full it is, in percent; None where that is not known."""
        return None if self.seen.used is None else percent(self.seen.used, self.seen.limit)

    @property
    def cause(self) -> Cause | None:
        """The cause for which creations fail there: it is full."""
        return Cause.CAPACITY if self.seen.left == 0 else None

    @property
    def role(self) -> str:
        severity = severity_of_room(self.seen, self.forecast)
        return severity.value if severity else "success"


def rooms(collections: list[Headroom], by_name: Mapping[str, Forecast]) -> list[Room]:
    """Each collection with its forecast, the one in use first."""
    return [Room(seen, by_name.get(seen.collection, Forecast())) for seen in collections]


def full_when(room: Room) -> Markup:
    """When it will be full at the pace of the last 30 days, or why that is not known."""
    forecast = room.forecast
    if room.seen.left == 0:
        return _("There is no place left.")
    if forecast.pace is None:
        return _("When it will be full is not known: that takes a day of history.")
    if forecast.pace <= 0:
        return _("It does not grow.")
    pace = decimal(forecast.pace)
    if forecast.full_on is None or forecast.days_left is None:
        return _("At %(pace)s a day it will not be full in a century.", pace=pace)
    if forecast.days_left == 0:
        return _("At %(pace)s a day it will be full within a day.", pace=pace)
    return ngettext(
        "At %(pace)s a day it will be full on %(day)s, in %(num)s day.",
        "At %(pace)s a day it will be full on %(day)s, in %(num)s days.",
        forecast.days_left,
        pace=pace,
        day=_day(forecast.full_on),
    )


def _day(day: date) -> Markup:
    text = format_date(day, "d MMM y", locale=locale())
    return Markup('<time datetime="{}">{}</time>').format(day.isoformat(), text)
