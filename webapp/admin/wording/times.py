"""Formats of moments: UTC from the server, marked for the browser to show local times."""

from datetime import UTC, datetime
from functools import partial

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


def ago_tag(moment: datetime | None, suffix: str = "") -> str:
    """The age, with the moment as title; `suffix` adds the word: 38 min ago."""
    text = ago(moment)
    if suffix and moment is not None:
        text = _("%(duration)s ago", duration=text)
    return tag(moment, "ago", text)


def until_tag(moment: datetime | None) -> str:
    """The time until the moment, with the moment as title."""
    return tag(moment, "ago", _never() if moment is None else remaining(moment))


def tag(moment: datetime | None, kind: str, text: str | None = None) -> str:
    """The moment by one of the `PATTERNS`, which the browser turns into local time."""
    text = text or _format(moment, kind)
    if moment is None:
        return Markup('<span class="muted">{}</span>').format(text)
    exact = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return TAG.format(exact, _format(moment, "full"), kind, text)


clock_tag, minute_tag, full_tag = (partial(tag, kind=kind) for kind in ("time", "minute", "full"))


def _format(moment: datetime | None, kind: str) -> str:
    if moment is None:
        return _never()
    text = format_datetime(moment, PATTERNS[kind], tzinfo=UTC, locale=locale())
    return text if kind in SHORT else f"{text} UTC"


clock = partial(_format, kind="time")


def _never() -> str:
    return _("never")
