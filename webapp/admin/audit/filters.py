"""The filter of audit entries in an address."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from flask import url_for
from flask_babel import lazy_gettext as _l

from webapp.audit.search import AuditFilter, Entry
from webapp.db.types import utc_now
from webapp.models.audit import Via
from webapp.texts import whole_number
from webapp.times import UnusableMoment, parse_moment, parse_moment_or_age

SPANS = {
    "hour": (timedelta(hours=1), _l("Last hour")),
    "day": (timedelta(hours=24), _l("Last 24 hours")),
    "week": (timedelta(days=7), _l("Last 7 days")),
    "month": (timedelta(days=30), _l("Last 30 days")),
    "all": (None, _l("All time")),
}
USUAL = "day"
# All entries of a request are within this time of each other.
OF_ONE_REQUEST = timedelta(hours=1)


@dataclass(frozen=True)
class AuditChoice:
    """The filter in an address, without invalid parts. UTC moments replace the span."""

    span: str = USUAL
    search: str = ""
    actor: str = ""
    action: str = ""
    tenant: str = ""
    via: str = ""
    request: str = ""
    since: str = ""
    until: str = ""
    before: str = ""

    @property
    def is_dated(self) -> bool:
        return bool(self.since or self.until)

    @property
    def is_detailed(self) -> bool:
        """Whether it filters by more than a span and a text."""
        criteria = (self.actor, self.action, self.tenant, self.via, self.request)
        return any(criteria) or self.is_dated

    @property
    def is_narrowed(self) -> bool:
        """Whether it filters by more than the time."""
        return bool(self.search) or self.is_detailed

    def filter(self) -> AuditFilter:
        span, _word = SPANS[self.span]
        spanned = utc_now() - span if span and not self.is_dated else None
        return AuditFilter(
            actor=self.actor,
            action=self.action,
            tenant_id=int(self.tenant) if self.tenant else None,
            via=Via(self.via) if self.via else None,
            text=self.search,
            request_id=self.request,
            since=parse_moment(self.since) if self.since else spanned,
            until=parse_moment(self.until) if self.until else None,
        )

    def url(self, endpoint: str, **changes: str) -> str:
        """The address of this filter with changes, on its first page."""
        choice = replace(self, **{"before": "", **changes})
        parameters = {each.name: getattr(choice, each.name) for each in fields(choice)}
        parameters["span"] = "" if choice.is_dated or choice.span == USUAL else choice.span
        return url_for(endpoint, **{name: value or None for name, value in parameters.items()})

    def spanning(self, span: str) -> str:
        return self.url("audit.index", span=span, since="", until="")

    def of_request(self, entry: Entry) -> str:
        """The address of all entries of this entry's request."""
        since, until = entry.at - OF_ONE_REQUEST, entry.at + OF_ONE_REQUEST
        dated = {"since": _text(since), "until": _text(until)}
        return AuditChoice(request=entry.request_id or "", **dated).url("audit.index")


def read_choice(arguments: Mapping[str, str]) -> AuditChoice:
    """The filter in an address; invalid parts are ignored."""
    values = {name: value.strip()[:255] for name, value in arguments.items()}
    tenant = values.get("tenant", "").removeprefix("tenant_").removeprefix("#")
    via, span = values.get("via", ""), values.get("span", "")
    return AuditChoice(
        span=span if span in SPANS else USUAL,
        search=values.get("search", ""),
        actor=values.get("actor", ""),
        action=values.get("action", "")[:64],
        tenant=_digits(tenant),
        via=via if via in set(Via) else "",
        request=values.get("request", "")[:64],
        since=_usable(values.get("since", "")),
        until=_usable(values.get("until", "")),
        before=_digits(values.get("before", "")),
    )


def _digits(text: str) -> str:
    return "" if whole_number(text) is None else text


def _usable(text: str) -> str:
    try:
        return _text(parse_moment_or_age(text, utc_now()))
    except UnusableMoment:
        return ""


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
