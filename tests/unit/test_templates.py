"""What no template of ours may hold: inline scripts and styles, words that nobody translates."""

import re
from pathlib import Path

import pytest

from webapp.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "templates"
# What belongs to others: rq-dashboard's pages, and the description of the API, which is English.
NOT_OURS = ("rq_dashboard", "api")
TEMPLATES = [
    path
    for path in sorted(FOLDER.rglob("*.html"))
    if path.relative_to(FOLDER).parts[0] not in NOT_OURS
]
INLINE = re.compile(
    r"""<style|\sstyle\s*=|\son\w+\s*=|hx-on|javascript:|<script(?![^>]*\ssrc=)|hx-\S+="js:""",
    re.IGNORECASE,
)
JINJA = re.compile(
    r"\{% block (?:width|body_class) %\}.*?\{% endblock %\}|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}",
    re.DOTALL,
)
# Code, keys and names read the same in every language.
SAME = re.compile(r"<(code|kbd|pre|title)\b.*?</\1>|<!DOCTYPE html>", re.DOTALL)
SPOKEN = re.compile(r'\s(?:aria-label|placeholder|title|alt)="([^"]*)"')
ADDRESS = re.compile(r"\S+@\S+")
TAG = re.compile(r"<[^>]+>")
WORD = re.compile(r"[^\W\d_]{2,}")
NAMES = {"Paratia", "ms"}


def names(path: Path) -> str:
    return str(path.relative_to(FOLDER))


@pytest.mark.parametrize("path", TEMPLATES, ids=names)
def test_no_template_holds_a_script_a_style_or_a_handler(path: Path) -> None:
    assert INLINE.findall(path.read_text()) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=names)
def test_every_word_of_a_template_can_be_translated(path: Path) -> None:
    text = SAME.sub(" ", JINJA.sub("", path.read_text()))
    spoken = ADDRESS.sub("", " ".join(SPOKEN.findall(text)))
    assert set(WORD.findall(f"{TAG.sub(' ', text)} {spoken}")) - NAMES == set()
