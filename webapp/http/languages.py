"""The language of a page: the chosen one, else the browser's."""

from babel import Locale
from babel.numbers import format_decimal
from flask import Flask, has_request_context, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import Babel, get_locale, get_translations
from markupsafe import Markup

from webapp.http import paths
from webapp.http.cookies import read_cookie, set_cookie
from webapp.http.paths import API_PREFIX

# The languages of the panel, by their own names. API and commands are English.
LANGUAGES = {"en": "English", "it": "Italiano"}
DEFAULT = "en"
COOKIE = "language"
YEAR_S = 365 * 24 * 3600


def init_app(app: Flask) -> None:
    """Give templates `_()` and `ngettext()`, each request its language, and add the switch."""
    app.config["BABEL_DEFAULT_LOCALE"] = DEFAULT
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, locale_selector=select_language)
    app.jinja_env.globals["ngettext"] = ngettext
    app.jinja_env.globals.update(get_locale=locale, languages=LANGUAGES, this_page=paths.this_page)
    app.add_url_rule("/language", "language", choose, methods=["POST"])


def locale() -> Locale:
    """The current language; English outside of requests for pages."""
    return get_locale() or Locale.parse(DEFAULT)


def ngettext(singular: str, plural: str, num: int, **values: object) -> Markup:
    """The sentence for this number, which is grouped by the rules of the language.

    Values that are no markup are escaped.
    """
    sentence = get_translations().ungettext(singular, plural, num)
    number = format_decimal(num, locale=locale())
    return Markup(sentence) % {"num": number, **values}  # noqa: S704  of our own catalogs


def select_language() -> str:
    if not has_request_context() or request.path.startswith(API_PREFIX):
        return DEFAULT
    stored = read_cookie(COOKIE)
    if stored in LANGUAGES:
        return stored
    return request.accept_languages.best_match(LANGUAGES, DEFAULT) or DEFAULT


def choose() -> ResponseReturnValue:
    """Store the chosen language, and redirect to the page."""
    language = request.form.get("language", "")
    answer = redirect(paths.here(request.form.get("next", "")))
    if language in LANGUAGES:
        set_cookie(answer, COOKIE, language, YEAR_S)
    return answer
