"""The project's documents as pages of the panel."""

import re
from functools import cache
from itertools import pairwise

from flask import Response, abort, redirect, send_from_directory, url_for
from flask.typing import ResponseReturnValue
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markupsafe import Markup

from webapp.admin.base import Page, expose
from webapp.settings import PROJECT_ROOT

DOCUMENTS = PROJECT_ROOT / "docs"
# In this order; each document begins with its title.
NAMES = ("operations", "bad-night", "how-it-works", "performance")


class HelpView(Page):
    reads = frozenset({"index", "show", "picture"})
    nav = "help"

    @expose("/")
    def index(self) -> ResponseReturnValue:
        return redirect(url_for("help.show", document=NAMES[0]))

    @expose("/<document>")
    def show(self, document: str) -> ResponseReturnValue:
        if document not in NAMES:
            abort(404)
        titles = {name: _read(name)[0] for name in NAMES}
        text = _read(document)[1]
        return self.render("admin/help/index.html", titles=titles, document=document, text=text)

    @expose("/img/<picture>")
    def picture(self, picture: str) -> Response:
        """A picture, at the address that documents use."""
        return send_from_directory(DOCUMENTS / "img", picture)


@cache
def _read(name: str) -> tuple[str, Markup]:
    """Title and text of a document; HTML in it is escaped."""
    source = (DOCUMENTS / f"{name}.md").read_text(encoding="utf-8")
    title, _end, text = source.partition("\n")
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.core.ruler.push("label_cells", _label_cells)
    markdown.core.ruler.push("anchor_headings", _anchor_headings)
    return title.removeprefix("# "), Markup(markdown.render(text))  # noqa: S704


def _label_cells(state: StateCore) -> None:
    """Give each cell its column's heading, which narrow windows show in the cell."""
    headings: list[str] = []
    column = 0
    for token, following in pairwise(state.tokens):
        if token.type == "table_open":
            headings = []
        elif token.type == "tr_open":
            column = 0
        elif token.type == "th_open":
            headings.append(following.content)
        elif token.type == "td_open":
            token.attrSet("data-label", headings[column])
            column += 1


def _anchor_headings(state: StateCore) -> None:
    """Give each heading the anchor that other viewers of Markdown give it."""
    for token, following in pairwise(state.tokens):
        if token.type == "heading_open":
            words = re.sub(r"[^\w\- ]", "", following.content.lower())
            token.attrSet("id", words.replace(" ", "-"))
