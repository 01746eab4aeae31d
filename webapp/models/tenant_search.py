"""Search of tenants by words of the name or the slug, by number, or by a job's id.

Every word must be in the name or the slug, in any order; case and accents do not matter. A word of
one character must begin a word. Each database has an index of all sequences of two and three
characters (migration 0008), so that a search reads only matching rows.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, String, and_, false, literal, literal_column, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from webapp.models.naming import MAX_NAME_LENGTH, MAX_TENANT_ID, folded
from webapp.models.tenant import Tenant
from webapp.texts import is_storable

# The searched text of a tenant, the same as in migration 0008.
TEXT = (
    "' ' || CASE WHEN {row}.folded_from = {row}.name THEN {row}.folded_name"
    " ELSE lower({row}.name) END || ' ' || {row}.slug"
)
OF_TENANT = TEXT.format(row="tenant")
WITHOUT_KEY = 2**62
# Separates the sequences in PostgreSQL's list; no name can contain it.
BORDER = "\x1f"

_NUMBER = re.compile(r"(?:tenant_|#)?([0-9]{1,18})|t([0-9]{1,18})-g[0-9]+-d[0-9]+", re.ASCII)


def matches(text: str, at_most: int | None = None) -> ColumnElement[bool]:
    """The condition: name or slug match, at most `at_most`, or the text names the number."""
    by_text = _by_text(text, at_most)
    number = number_in(text)
    return by_text if number is None else or_(Tenant.id == number, by_text)


def number_in(text: str) -> int | None:
    """The tenant's number in `123`, `#123`, `tenant_123` or a job's `t123-g1-d1`."""
    match = _NUMBER.fullmatch(text.strip())
    number = int(match[1] or match[2]) if match else 0
    return number if 1 <= number <= MAX_TENANT_ID else None


def _by_text(text: str, at_most: int | None) -> ColumnElement[bool]:
    if at_most is None:
        return or_(false(), *(_Have(words, WITHOUT_KEY) for words in _words_to_find(text)))
    return or_(false(), *(_AreFirstToHave(words, at_most) for words in _words_to_find(text)))


def is_in_name(text: str) -> ColumnElement[bool]:
    """The condition on Tenant by words alone, without the index: for queries of few rows."""
    whole: ColumnElement[str] = literal_column(OF_TENANT, String)
    return or_(
        false(),
        *(
            and_(*(whole.contains(word, autoescape=True) for word in words))
            for words in _words_to_find(text)
        ),
    )


def _words_to_find(text: str) -> list[list[str]]:
    """The words: folded and, for names not folded yet, lower case; empty where none can match."""
    given = unicodedata.normalize("NFC", text.strip())
    if len(given) > MAX_NAME_LENGTH or not is_storable(given):
        return []
    ways = dict.fromkeys((folded(given), " ".join(given.lower().split())))
    return [list(dict.fromkeys(way.split())) for way in ways if way]


def _runs(word: str) -> list[str]:
    if len(word) <= 2:
        return [word.rjust(2)]
    return [word[place : place + 3] for place in range(len(word) - 2)]


class _Have(FunctionElement[Any]):
    """That a tenant has all words. Not Boolean: as `… = 1`, SQLite would not use the index."""

    type = NullType()
    inherit_cache = True

    def __init__(self, words: Sequence[str], at_most: int) -> None:
        runs = list(dict.fromkeys(run for word in words for run in _runs(word)))
        phrases = " ".join(f'"{run.encode().hex()}"' for run in runs)
        limit = literal(at_most, BigInteger)
        # The index holds short words whole; longer ones are checked, as their parts have no order.
        others = [word for word in words if len(word) > 3]
        super().__init__(Tenant.id, phrases, BORDER.join(runs), limit, *others)


class _AreFirstToHave(_Have):
    """That a tenant is among the first `at_most` that have all these words."""

    inherit_cache = True


@compiles(_Have, "sqlite")
def _in_sqlite(element: _Have, compiler: SQLCompiler, **kw: Any) -> str:
    number, phrases, _runs, _limit, *words = element.clauses
    matching = f"tenant_search MATCH {compiler.process(phrases, **kw)}"
    query = f"SELECT rowid FROM tenant_search WHERE {matching}"  # noqa: S608
    exact = (f"instr({OF_TENANT}, {compiler.process(word, **kw)}) > 0" for word in words)
    return "(" + " AND ".join((f"{compiler.process(number, **kw)} IN ({query})", *exact)) + ")"


@compiles(_AreFirstToHave, "sqlite")
def _first_in_sqlite(element: _AreFirstToHave, compiler: SQLCompiler, **kw: Any) -> str:
    number, phrases, _runs, limit, *words = element.clauses
    query = f"FROM tenant_search WHERE tenant_search MATCH {compiler.process(phrases, **kw)}"
    if words:
        text = TEXT.format(row="it")
        exact = (f"instr({text}, {compiler.process(word, **kw)}) > 0" for word in words)
        are_exact = " AND ".join(("it.id = tenant_search.rowid", *exact))
        query += f" AND EXISTS (SELECT 1 FROM tenant AS it WHERE {are_exact})"  # noqa: S608
    query += f" ORDER BY rowid LIMIT {compiler.process(limit, **kw)}"
    return f"{compiler.process(number, **kw)} IN (SELECT rowid {query})"


@compiles(_Have, "postgresql")
def _in_postgresql(element: _Have, compiler: SQLCompiler, **kw: Any) -> str:
    _number, _phrases, runs, _limit, *words = element.clauses
    runs_wanted = f"string_to_array({compiler.process(runs, **kw)}, chr({ord(BORDER)}))"
    exact = (f"position({compiler.process(word, **kw)} IN {OF_TENANT}) > 0" for word in words)
    return "(" + " AND ".join((f"search_runs({OF_TENANT}) @> {runs_wanted}", *exact)) + ")"


@compiles(_AreFirstToHave, "postgresql")
def _first_in_postgresql(element: _AreFirstToHave, compiler: SQLCompiler, **kw: Any) -> str:
    number, _phrases, _runs, limit, *_words = element.clauses
    # Unordered: an order would read all matches before the limit.
    query = f"SELECT id FROM tenant WHERE {_in_postgresql(element, compiler, **kw)}"  # noqa: S608
    # An array, whose ids are looked up one by one: `IN (SELECT …)` in an `OR`, or with hundreds of
    # expected rows, would read the whole table.
    bounded = f"ARRAY({query} LIMIT {compiler.process(limit, **kw)})"
    return f"{compiler.process(number, **kw)} = ANY ({bounded})"
