"""The panel's words for brakes: what happened, and what is held back."""

from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from webapp.admin.wording.markup import gettext as _
from webapp.halts.brake_state import BrakeState
from webapp.models.causes import Cause
from webapp.texts import N_

TITLES = {
    Cause.PARTITIONS_GONE: N_("Many partitions of %(collection)s are gone at once."),
    Cause.COLLECTION_REPLACED: N_("%(collection)s is not the collection that was known."),
    Cause.COLLECTION_MISSING: N_("The collection %(collection)s is missing in Milvus."),
}
EFFECTS = {
    Cause.PARTITIONS_GONE: _l(
        "None of them is made again, and nothing is dropped in this collection, until an operator "
        "decides. Sign-ups go on."
    ),
    Cause.COLLECTION_REPLACED: _l(
        "Nothing is made or dropped in this collection until an operator decides. Sign-ups are "
        "taken, and wait as pending."
    ),
    Cause.COLLECTION_MISSING: _l(
        "Nothing is made again or dropped until the collection is there. If its partitions are "
        "there again as well, all goes on by itself."
    ),
}


# Where that the collection is another one only follows from it.
ALL_GONE = N_("All partitions of %(collection)s are gone at once, as if it had been made anew.")


def title(brake: BrakeState, collection: Markup) -> Markup:
    template = ALL_GONE if brake.is_inferred else TITLES[brake.reason]
    return _(template, collection=collection)
