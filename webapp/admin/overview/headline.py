"""The headline: the gravest condition, or that all tenants are ready."""

from dataclasses import dataclass

from markupsafe import Markup

from webapp.admin.base import Shell
from webapp.admin.wording.conditions import condition_sentence
from webapp.http.languages import ngettext
from webapp.models.condition import Severity
from webapp.models.states import PartitionState


@dataclass(frozen=True)
class Headline:
    role: str
    sentence: Markup


def headline(frame: Shell) -> Headline:
    """The first of the conditions; what is well is said before a warning."""
    tenants = frame.summary.tenants
    ready = ngettext("The one tenant is ready.", "All %(num)s tenants are ready.", tenants)
    if not frame.conditions:
        return Headline("success", ready)
    gravest = frame.conditions[0]
    sentence = condition_sentence(gravest)
    are_all_ready = frame.summary.states[PartitionState.READY] == tenants
    if are_all_ready and gravest.severity != Severity.DANGER:
        sentence = Markup("{} {}").format(ready, sentence)
    return Headline(gravest.severity.value, sentence)
