"""Formats of moments: UTC from the server, marked for the browser to show local times."""

from datetime import UTC, datetime

from babel.dates import format_datetime
from flask_babel import gettext as _
from markupsafe import Markup

from webapp.admin.wording.units import duration, two_units
from webapp.db.types import utc_now
from webapp.http.languages import locale

# The same kinds as in static/times.js, which shows them in the browser's time zone.
PATTERNS = {
    "time": "HH:mm:ss",
    "minute": "d MMM y, HH:mm",
    "full": "d MMM y, HH:mm:ss",
    "hour": "HH:mm",
    "day": "d MMM",
}
# On an axis there is no room for the zone; the title has it.
SHORT = ("hour", "day")
TAG = Markup('<time datetime="{}" title="{}" data-local="{}">{}</time>')


def ago(moment: datetime | None) -> str:
    """The age of the moment, without the word: 38 min."""
    return _never() if moment is None else duration((utc_now() - moment).total_seconds())


def remaining(moment: datetime) -> str:
    """The time until the moment, in two units: 6 d 23 h, 38 min 5 s; `0 s` when it is past."""
    return two_units((moment - utc_now()).total_seconds())


def clock(moment: datetime | None) -> str:
    return _format(moment, "time")


def clock_tag(moment: datetime | None) -> str:
    """The time of day, which the browser turns into local time."""
    return _tag(moment, "time")


def full_tag(moment: datetime | None) -> str:
    """Date and time, which the browser turns into local time."""
    return _tag(moment, "full")


def minute_tag(moment: datetime | None) -> str:
    """Date and time without seconds, which the browser turns into local time."""
    return _tag(moment, "minute")


def ago_tag(moment: datetime | None, suffix: str = "") -> str:
    """The age, with the moment as title; `suffix` adds the word: 38 min ago."""
    text = ago(moment)
    if suffix and moment is not None:
        text = _("%(duration)s ago", duration=text)
    return _tag(moment, "ago", text)


def axis_tag(moment: datetime, kind: str) -> str:
    """An hour or a day on an axis, which the browser turns into local time."""
    return _tag(moment, kind)


def until_tag(moment: datetime | None) -> str:
    """The time until the moment, with the moment as title."""
    return _tag(moment, "ago", _never() if moment is None else remaining(moment))


def _tag(moment: datetime | None, kind: str, text: str | None = None) -> str:
    text = text or _format(moment, kind)
    if moment is None:
        return Markup('<span class="muted">{}</span>').format(text)
    exact = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return TAG.format(exact, _format(moment, "full"), kind, text)


def _format(moment: datetime | None, kind: str) -> str:
    if moment is None:
        return _never()
    text = format_datetime(moment, PATTERNS[kind], tzinfo=UTC, locale=locale())
    return text if kind in SHORT else f"{text} UTC"


def _never() -> str:
    return _("never")
