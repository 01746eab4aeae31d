"""Sentences with something marked up in them, as a time that the browser says locally."""

from flask_babel import get_translations
from markupsafe import Markup

from webapp.admin.wording.units import number


def gettext(sentence: str, **values: object) -> Markup:
    """The sentence in the language of the page; values that are no markup are escaped."""
    said = str(get_translations().ugettext(sentence))
    return Markup(said) % values if values else Markup(said)  # noqa: S704  of our own catalogs


def ngettext(singular: str, plural: str, num: int, **values: object) -> Markup:
    """The sentence for so many; `%(num)s` stands for the number, grouped."""
    said = str(get_translations().ungettext(singular, plural, num))
    return Markup(said) % {"num": number(num), **values}  # noqa: S704
