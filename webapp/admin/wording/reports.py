"""English sentences that jobs have stored, in the language of the page."""

import re

from markupsafe import Markup

from webapp.admin.wording.labels import BADGES, CAUSES, meaning
from webapp.admin.wording.markup import gettext as _
from webapp.admin.wording.units import number
from webapp.models.causes import Cause
from webapp.models.states import CanaryOutcome, PartitionState
from webapp.partitions.summary import LastCanary
from webapp.texts import N_

_ROWS = r"(?:(?P<rows>\d+) rows?|an unknown number of rows|rows that Milvus cannot count)"
# A pattern for each stored sentence, and the panel's own; placeholders are groups.
SENTENCES = [
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (
            r"partition (?P<partition>\S+) of collection (?P<collection>.+) was there before "
            rf"any attempt of ours, with {_ROWS}",
            N_(
                "Partition %(partition)s of collection %(collection)s was there before any attempt "
                "of ours. Rows in it: %(rows)s."
            ),
        ),
        (
            r"(?P<count>\d+) rows were found through their own partition only, by query and by "
            r"search \((?P<fields>.+)\)",
            N_(
                "%(count)s rows were found through their own partition only, by query and by "
                "search (%(fields)s)."
            ),
        ),
        (
            r"(?P<count>\d+) rows were found through their own partition only, by query "
            r"\(no vector has an index\)",
            N_(
                "%(count)s rows were found through their own partition only, by query (no vector "
                "has an index)."
            ),
        ),
        (r"no tenant has this number", N_("No tenant has this number.")),
        (
            r"no tenant has this number, which lies too far above ours .+",
            N_(
                "No tenant has this number, which lies too far above ours for later ones to be "
                "lifted above it."
            ),
        ),
        (r"no tenant can have this number", N_("No tenant can have this number.")),
        (r"its tenant is deleted", N_("Its tenant is deleted.")),
        (
            r"its tenant's partition is in (?P<collection>.+)",
            N_("Its tenant's partition is in %(collection)s."),
        ),
        (r"it was removed, and is there again", N_("It was removed, and is there again.")),
        (
            rf"its tenant was removed, and it holds {_ROWS}",
            N_("Its tenant was removed. Rows in it: %(rows)s."),
        ),
        (r"provisioning is paused", N_("Provisioning is paused.")),
        (r"a brake holds this collection back", N_("A brake holds this collection back.")),
        (
            r"the database was restored, and that is not acknowledged",
            N_("The database was restored, and that is not acknowledged."),
        ),
        (r"a tenant has its number", N_("A tenant has its number.")),
        (
            r"the alias stands for another collection now",
            N_("The alias stands for another collection now."),
        ),
        (r"the request waited for too long", N_("The request waited for too long.")),
        (
            r"it is not made again before an operator has decided, or a pause has ended",
            N_("It is not made again before an operator has decided, or a pause has ended."),
        ),
        (r"it is being made again", N_("It is being made again.")),
        (r"Milvus lists it no more", N_("Milvus lists it no more.")),
        (r"Milvus has no such collection", N_("Milvus has no such collection.")),
        (
            r"nothing is made here until an operator has decided: .+",
            N_("Nothing is made in this collection until an operator has decided."),
        ),
        (r"was there before it was asked for", N_("Was there before it was asked for.")),
        (
            r"(?P<state>[a-z]+), waiting since (?P<at>.+)",
            N_("%(state)s, waiting since %(at)s"),
        ),
        (r"(?P<state>[a-z]+) since (?P<at>.+)", N_("%(state)s since %(at)s")),
    )
]
CHECKS = {
    CanaryOutcome.FAILED: N_("A check found rows of another partition, or missed some of its own."),
    CanaryOutcome.NOT_RUN: N_("The last check could not be made."),
}


def reported(text: str) -> Markup:
    """The sentence translated; an unknown one as a quotation."""
    for pattern, sentence in SENTENCES:
        if match := pattern.fullmatch(text):
            return _(
                sentence, **{key: _translate(key, text) for key, text in match.groupdict().items()}
            )
    return quoted(text)


def checked(last: LastCanary) -> Markup:
    """The result of the last isolation check."""
    if last.outcome == CanaryOutcome.PASSED:
        return reported(last.message)
    code, _colon, message = last.message.partition(": ")
    if code not in set(Cause):
        return Markup("{} {}").format(_(CHECKS[last.outcome]), quoted(last.message))
    cause = Cause(code)
    return Markup("{} <b>{}:</b> {} {}").format(
        _(CHECKS[last.outcome]), CAUSES[cause], meaning(cause), quoted(message)
    )


def quoted(text: str) -> Markup:
    return Markup('<q lang="en">{}</q>').format(text)


def _translate(key: str, value: str | None) -> object:
    if key in {"rows", "count"}:
        return _("unknown") if value is None else number(int(value))
    if key == "state" and value in set(PartitionState):
        return BADGES[PartitionState(value)].word
    return value.replace(") and search (", ", ") if key == "fields" and value else value
