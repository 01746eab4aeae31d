"""How input times are read: RFC 3339, or an age such as 24h.

Moments outside of 1970 to 9998 are moved to the edge of that range: they mean "no limit" (Go sends
0001-01-01T00:00:00Z for no time), and arithmetic and time zones need room on both sides.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)
UNUSABLE = "must be a time after RFC 3339, such as 2026-03-01T09:30:00Z"

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9])(?::([0-5][0-9]|60)(?:[.,]([0-9]{1,30}))?)?"
    # An unquoted plus sign in a query arrives as a space.
    r"(?:[Zz]|([-+ ])([01][0-9]|2[0-3]):?([0-5][0-9]))?)?"
)
_AGE = re.compile(r"([0-9]{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class UnusableMoment(ValueError):
    """The text is no moment; the message says what is accepted."""

    def __init__(self) -> None:
        super().__init__(UNUSABLE)


def rfc3339(at: datetime | None) -> str | None:
    """The moment in UTC as RFC 3339 writes it, with `Z`; None for none."""
    return at.isoformat().replace("+00:00", "Z") if at else None


def parse_moment(text: str) -> datetime:
    """The moment in UTC that an RFC 3339 text names; without a zone it is read as UTC.

    A date alone is its first moment. A leap second is read as the following second.

    Raises:
        UnusableMoment: the text names none.
    """
    match = _MOMENT.fullmatch(text.strip(" "))
    if match is None:
        raise UnusableMoment
    day, minute, second, fraction, sign, hours, minutes = match.groups()
    try:
        local = datetime.fromisoformat(f"{day}T{minute or '00:00'}")
    except ValueError:
        raise UnusableMoment from None
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    micro = int((fraction or "")[:6].ljust(6, "0"))
    try:
        moment = local + timedelta(seconds=int(second or 0), microseconds=micro)
        return within_range(moment.replace(tzinfo=zone).astimezone(UTC))
    except OverflowError:
        return EARLIEST if local.year == 1 else LATEST


def parse_moment_or_age(text: str, now: datetime) -> datetime:
    """The moment that a text names, or `now` minus an age: 90m, 24h, 7d.

    Raises:
        UnusableMoment: it is neither.
    """
    age = _AGE.fullmatch(text.strip(" "))
    if age is None:
        return parse_moment(text)
    return within_range(now - timedelta(**{_UNITS[age[2]]: int(age[1])}))


def within_range(moment: datetime) -> datetime:
    """The moment, moved to the nearer edge where it is outside of the range."""
    return min(max(moment, EARLIEST), LATEST)
