"""Actors in the language of the page."""

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

MACHINES = {"cli": _l("the command line"), "sweep": _l("the sweep"), "queue": _l("the job queue")}


def who(actor: str | None) -> str:
    """The actor in words: ops@example.com, token ci, the sweep."""
    if not actor:
        return _("an unknown user")
    kind, _colon, name = actor.partition(":")
    if kind == "user" and name:
        return name
    if kind == "cli" and name:
        return _("%(name)s at the command line", name=name)
    if kind == "token" and name:
        return _("token %(name)s", name=name)
    return str(MACHINES.get(actor, actor))
