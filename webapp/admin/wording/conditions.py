"""Conditions in the language of the page, with links."""

from datetime import date, datetime
from typing import Any

from babel.dates import format_date
from flask import url_for
from markupsafe import Markup

from webapp.admin.wording.actors import who
from webapp.admin.wording.labels import CAUSES
from webapp.admin.wording.markup import bdi, gettext
from webapp.admin.wording.times import clock_tag, minute_tag
from webapp.admin.wording.units import number
from webapp.conditions.condition import ActorName, Condition, Label, Place, Text
from webapp.db.types import utc_now
from webapp.http.languages import locale, ngettext
from webapp.models.causes import Cause
from webapp.models.states import PartitionState

# The endpoint and the arguments of the page on which a condition is handled.
PLACES: dict[Place, tuple[str, dict[str, str]]] = {
    Place.OVERVIEW: ("admin.index", {}),
    Place.HEADROOM: ("admin.index", {"_anchor": "headroom"}),
    Place.CAUSES: ("partitions.index", {"tab": "causes"}),
    Place.DRIFT: ("partitions.index", {"tab": "drift"}),
    Place.ORPHANS: ("partitions.index", {"tab": "drift", "_anchor": "kind-orphan"}),
    Place.STUCK: ("partitions.index", {"tab": "drift", "_anchor": "kind-stuck"}),
    Place.QUEUES: ("partitions.index", {"tab": "queues"}),
    Place.FOREIGN: (
        "partitions.index",
        {"state": PartitionState.FAILED, "cause": Cause.FOREIGN_DATA},
    ),
    Place.WAITING: ("partitions.index", {"state": PartitionState.PENDING}),
    Place.NOT_REQUESTED: ("partitions.index", {"state": "none"}),
    Place.REMOVING: ("tenant.index_view", {"state": PartitionState.REMOVING}),
    Place.BRAKE: ("partitions.brake", {}),
    Place.ROWS_LOST: ("tenant.index_view", {"state": "lost"}),
    Place.OPERATIONS: ("operations.index", {}),
    Place.UPLOADS: ("uploads.index", {}),
}


def condition_sentence(condition: Condition) -> Markup:
    return _sentence(condition.text)


def condition_advice(condition: Condition) -> Markup:
    return _sentence(condition.what_to_do)


def condition_page(condition: Condition) -> str:
    """The page on which it is handled."""
    endpoint, arguments = PLACES[condition.kind.place]
    if condition.kind.place is Place.BRAKE:
        arguments = {"collection": condition.subject}
    return url_for(endpoint, **arguments)  # type: ignore[arg-type]


def condition_help(condition: Condition) -> str:
    """Its section of the runbook."""
    return url_for("help.show", document="operations", _anchor=condition.key)


def _sentence(text: Text) -> Markup:
    values = {name: _value(value) for name, value in text.values.items()}
    if text.plural is None or text.num is None:
        return gettext(text.template, **values)
    return ngettext(text.template, text.plural, text.num, **values)


def _value(value: Any) -> Any:  # noqa: PLR0911
    if isinstance(value, Cause):
        return CAUSES[value]
    if isinstance(value, Label):
        return gettext(value)
    if isinstance(value, ActorName):
        return bdi(who(value))
    if isinstance(value, datetime):
        return clock_tag(value) if value.date() == utc_now().date() else minute_tag(value)
    if isinstance(value, date):
        text = format_date(value, "d MMM y", locale=locale())
        return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), text)
    if isinstance(value, int):
        return number(value)
    return bdi(value)
