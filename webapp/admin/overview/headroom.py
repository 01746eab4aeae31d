"""How full the collections are, and when they will be, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from babel.dates import format_date
from markupsafe import Markup

from webapp.admin.wording.markup import gettext as _
from webapp.admin.wording.markup import ngettext
from webapp.admin.wording.units import decimal, percent
from webapp.http.languages import locale
from webapp.partitions.summary import Headroom
from webapp.statistics.forecast import Forecast

# In percent of the limit, and in days until there is no place left.
WARN_AT, DANGER_AT = 80, 95
WARN_DAYS, DANGER_DAYS = 14, 3


@dataclass(frozen=True)
class Room:
    """A collection's room and its forecast."""

    seen: Headroom
    forecast: Forecast

    @property
    def collection(self) -> str:
        """Its name."""
        return self.seen.collection

    @property
    def share(self) -> int | None:
        """How full it is, in percent; None where nobody knows."""
        return None if self.seen.used is None else percent(self.seen.used, self.seen.limit)

    @property
    def role(self) -> str:
        """The role by how full it is, or how soon it will be, whichever is graver."""
        share, days = self.share, self.forecast.days_left
        if share is None:
            return "success"
        if share >= DANGER_AT or (days is not None and days <= DANGER_DAYS):
            return "danger"
        if share >= WARN_AT or (days is not None and days <= WARN_DAYS):
            return "warning"
        return "success"


def rooms(collections: list[Headroom], told: Mapping[str, Forecast]) -> list[Room]:
    """Each collection with its forecast, the one in use first."""
    return [Room(seen, told.get(seen.collection, Forecast())) for seen in collections]


def full_when(room: Room) -> Markup:
    """When there will be no place left at the pace of the last 30 days, or why nobody knows."""
    told = room.forecast
    if room.seen.left == 0:
        return _("There is no place left.")
    if told.pace is None:
        return _("When it will be full is not known: that takes a day of history.")
    if told.pace <= 0:
        return _("It does not grow.")
    pace = decimal(told.pace)
    if told.full_on is None or told.days_left is None:
        return _("At %(pace)s a day it will not be full in a century.", pace=pace)
    if told.days_left == 0:
        return _("At %(pace)s a day it will be full within a day.", pace=pace)
    return ngettext(
        "At %(pace)s a day it will be full on %(day)s, in %(num)s day.",
        "At %(pace)s a day it will be full on %(day)s, in %(num)s days.",
        told.days_left,
        pace=pace,
        day=_day(told.full_on),
    )


def _day(day: date) -> Markup:
    said = format_date(day, "d MMM y", locale=locale())
    return Markup('<time datetime="{}">{}</time>').format(day.isoformat(), said)
