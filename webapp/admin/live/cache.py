"""Figures shared by all live parts of the panel."""

from collections.abc import Callable
from typing import TypeVar

from flask import current_app, request

from webapp.http.shared_reads import SharedReads

T = TypeVar("T")

LIVE = "/live/"


def is_live() -> bool:
    """Whether a live part is requested, not a page."""
    return request.path.endswith(LIVE)


def recent(name: str, make: Callable[[], T]) -> T:
    """A fresh figure; on a live part, one up to a second old.

    `make` must not depend on the user, and must return values, no rows of a session.
    """
    figures: SharedReads = current_app.extensions["shared_reads"]
    return figures.recall(name, make) if is_live() else figures.read(name, make)
