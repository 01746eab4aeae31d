"""Markup around text of another language or direction: times, names."""

import unicodedata

from flask_babel import get_translations
from markupsafe import Markup

from webapp.texts import visible

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
FROM_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def bdi(text: object) -> Markup:
    """The text for a page, isolated so that its direction does not affect its surroundings."""
    return Markup("<bdi>{}</bdi>").format(text)


def isolated(text: str) -> str:
    """The same for plain text; characters that would break the isolation are replaced."""
    visible_text = visible(text)
    if not any(unicodedata.bidirectional(each) in FROM_RIGHT_TO_LEFT for each in visible_text):
        return visible_text
    return f"{FIRST_STRONG_ISOLATE}{visible_text}{POP_ISOLATE}"


def gettext(sentence: str, **values: object) -> Markup:
    """The sentence in the language of the page; values that are no markup are escaped."""
    text = str(get_translations().ugettext(sentence))
    return Markup(text) % values if values else Markup(text)  # noqa: S704  of our own catalogs
