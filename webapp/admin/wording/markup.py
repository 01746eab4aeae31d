"""Sentences with something in them that is not of their language: a time, a name."""

import unicodedata

from flask_babel import get_translations
from markupsafe import Markup

from webapp.admin.wording.units import number
from webapp.texts import visible

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
FROM_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def bdi(text: object) -> Markup:
    """The text for a page, so that its direction turns nothing that stands beside it."""
    return Markup("<bdi>{}</bdi>").format(text)


def isolated(text: str) -> str:
    """The same where there is no markup: in titles, labels and messages.

    Characters that names of old may have, and would break out of it, are replaced.
    """
    shown = visible(text)
    if not any(unicodedata.bidirectional(each) in FROM_RIGHT_TO_LEFT for each in shown):
        return shown
    return f"{FIRST_STRONG_ISOLATE}{shown}{POP_ISOLATE}"


def gettext(sentence: str, **values: object) -> Markup:
    """The sentence in the language of the page; values that are no markup are escaped."""
    said = str(get_translations().ugettext(sentence))
    return Markup(said) % values if values else Markup(said)  # noqa: S704  of our own catalogs


def ngettext(singular: str, plural: str, num: int, **values: object) -> Markup:
    """The sentence for so many; `%(num)s` stands for the number, grouped."""
    said = str(get_translations().ungettext(singular, plural, num))
    return Markup(said) % {"num": number(num), **values}  # noqa: S704
