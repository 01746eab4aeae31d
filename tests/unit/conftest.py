"""The language of sentences where there is no request."""

from collections.abc import Iterator

import pytest
from flask import Flask

from webapp.http import languages
from webapp.settings import PROJECT_ROOT


@pytest.fixture
def speaking() -> Iterator[None]:
    """Sentences are in English, or as `force_locale` says."""
    app = Flask("sentences", root_path=str(PROJECT_ROOT))
    languages.init_app(app)
    with app.app_context():
        yield
