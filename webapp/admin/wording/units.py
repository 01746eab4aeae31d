"""Formats of figures: durations in a fitting unit, grouped numbers."""

from collections.abc import Callable

from babel.numbers import format_decimal, format_percent
from flask_babel import gettext as _

from webapp.http.languages import locale, ngettext

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


# Says this many, in the language of the page.
Counted = Callable[..., str]


def number(value: float | None) -> str:
    return "–" if value is None else str(format_decimal(value, locale=locale()))


def decimal(value: float | None, digits: int = 1) -> str:
    """A number with this many decimal places."""
    if value is None:
        return "–"
    form = f"#,##0.{'0' * digits}" if digits else "#,##0"
    return str(format_decimal(value, format=form, locale=locale()))


def percentage(share: float | None) -> str:
    return "–" if share is None else str(format_percent(share / 100, locale=locale()))


def percent(part: int, whole: int) -> int:
    """The share in whole percent, rounded down, so 100 only when it is full."""
    return 0 if whole <= 0 else min(100, part * 100 // whole)


def duration(seconds: float | None) -> str:
    """A duration in one unit: 12 s, 38 min, 5 h, 3 d."""
    if seconds is None:
        return _("unknown")
    whole_s = max(0, int(seconds))
    for size in (DAY_S, HOUR_S, MINUTE_S):
        if whole_s >= 2 * size or (whole_s >= size and size == MINUTE_S):
            return _in_unit(whole_s // size, size)
    return _in_unit(whole_s, 1)


def two_units(seconds: float) -> str:
    """A duration in two units: 6 d 23 h, 38 min 5 s; `0 s` for none."""
    remaining_s = max(0, int(seconds))
    parts = []
    for size in (DAY_S, HOUR_S, MINUTE_S, 1):
        parts.append((remaining_s // size, size))
        remaining_s %= size
    first = next((n for n, (count, _size) in enumerate(parts) if count), len(parts) - 1)
    shown = parts[first : first + 2]
    return " ".join(_in_unit(n, size) for n, size in shown if n or size == shown[0][1])


def took(milliseconds: float) -> str:
    """The duration of an attempt: 12 ms, 1.5 s, 24 s."""
    if milliseconds < 1000:
        return _("%(count)s ms", count=number(round(milliseconds)))
    if milliseconds < 10_000:
        return _("%(count)s s", count=decimal(milliseconds / 1000))
    return duration(milliseconds / 1000)


def rows(count: int | None) -> str:
    """A number of rows; None is unknown."""
    if count is None:
        return _("an unknown number of rows")
    return ngettext("%(num)s row", "%(num)s rows", count)


def counted(singular: str, plural: str) -> Counted:
    """A sentence for any number, which `%(num)s` stands for."""
    return lambda num, **values: ngettext(singular, plural, num, **values)


def _in_unit(count: int, size: int) -> str:
    text = number(count)
    if size == DAY_S:
        return _("%(count)s d", count=text)
    if size == HOUR_S:
        return _("%(count)s h", count=text)
    if size == MINUTE_S:
        return _("%(count)s min", count=text)
    return _("%(count)s s", count=text)
