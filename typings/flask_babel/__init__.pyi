# What we use of Flask-Babel, which has no types of its own.
from collections.abc import Callable
from typing import Any

from babel import Locale
from babel.support import Translations
from flask import Flask

class Babel:
    def __init__(self, app: Flask, *, locale_selector: Callable[[], str]) -> None: ...

def gettext(string: str, **variables: object) -> str: ...

# A string that is translated whenever it is used.
def lazy_gettext(string: str, **variables: object) -> Any: ...
def get_locale() -> Locale | None: ...
def get_translations() -> Translations: ...
