"""Refusals of use cases, in the language of the page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import flash
from flask_babel import gettext as _

from webapp.admin.wording.labels import BADGES
from webapp.errors import DomainError
from webapp.texts import N_, SENTENCES, TextFault

# No form can send a lone surrogate.
SHORTER = {SENTENCES[TextFault.UNPRINTABLE]: N_("Must not contain control characters.")}


def sentence(error: DomainError) -> str:
    """The refusal as a sentence; in English where it has no translation."""
    template = SHORTER.get(error.template, error.template)
    return _(template) % _translated(error.values)


@contextmanager
def refusal_flashed() -> Iterator[None]:
    """Ends the block at a refusal, and shows it on the next page."""
    try:
        yield
    except DomainError as error:
        flash(sentence(error), "danger")


def _translated(values: dict[str, Any]) -> dict[str, Any]:
    translated = dict(values)
    if (state := values.get("state")) in BADGES:
        translated["state"] = BADGES[state].word
    if reason := values.get("reason"):
        translated["reason"] = _(reason)
    return translated
