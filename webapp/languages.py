"""Which language a page speaks: the one that was chosen, else what the browser asks for."""

from flask import Flask, has_request_context, request
from flask_babel import Babel, get_locale

from webapp.auth.principal import API_PREFIX

# The languages of the panel, each by its own name. The API and the commands speak English.
LANGUAGES = {"en": "English", "it": "Italiano"}
DEFAULT = "en"
COOKIE = "language"


def init_app(app: Flask) -> None:
    """Give templates `_()` and `ngettext()`, and each request its language."""
    app.config["BABEL_DEFAULT_LOCALE"] = DEFAULT
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, locale_selector=chosen)
    app.jinja_env.globals["get_locale"] = get_locale


def chosen() -> str:
    """The language of this request."""
    if not has_request_context() or request.path.startswith(API_PREFIX):
        return DEFAULT
    stored = request.cookies.get(COOKIE)
    if stored in LANGUAGES:
        return stored
    return request.accept_languages.best_match(LANGUAGES, DEFAULT) or DEFAULT
