"""Finding tenants by what a human types: a part of the name or the slug, a number, a job's id.

Each database keeps an index of all runs of three letters (migration 0005), so that a search
reads what matches and nothing else. A text of one or two letters is looked for at the
beginning of a name, a slug or (two letters) a word.
"""

import re
import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, Integer, false, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from webapp.tenants.models import Tenant
from webapp.tenants.naming import MAX_NAME_LENGTH, MAX_TENANT_ID, is_storable

# SQLite's table, and what PostgreSQL's index holds of a tenant, as migration 0005 makes them.
TABLE = "tenant_search"
RUNS = "(text_runs('  ' || lower({name})) || text_runs('  ' || {slug}))"
RUN = 3

_NUMBER = re.compile(r"(?:tenant_|#)?([0-9]{1,18})|t([0-9]{1,18})-g[0-9]+-d[0-9]+", re.ASCII)


def matches(text: str, at_most: int | None = None) -> ColumnElement[bool]:
    """The condition on Tenant: its name or slug has the text, or the text names its number.

    `at_most` bounds how many are looked up by name; whether it was reached shows in the result.
    """
    found = _by_text(text, at_most)
    number = number_in(text)
    return found if number is None else or_(Tenant.id == number, found)


def number_in(text: str) -> int | None:
    """The tenant's number in `123`, `#123`, `tenant_123` or a job's `t123-g1-d1`."""
    named = _NUMBER.fullmatch(text.strip())
    number = int(named[1] or named[2]) if named else 0
    return number if 1 <= number <= MAX_TENANT_ID else None


def _by_text(text: str, at_most: int | None) -> ColumnElement[bool]:
    wanted = unicodedata.normalize("NFC", text.strip())
    if not wanted or len(wanted) > MAX_NAME_LENGTH or not is_storable(wanted):
        return false()
    # Names are indexed with spaces before them: padded so, a short text is found at a beginning.
    return _Has(wanted.rjust(RUN), at_most)


class _Has(FunctionElement[Any]):
    """That a tenant's name or slug has a text of at least three letters in it.

    Not of type Boolean, of which SQLite would make `… = 1`, and not look at the index.
    """

    type = NullType()
    inherit_cache = True

    def __init__(self, text: str, at_most: int | None) -> None:
        phrase = '"' + text.replace('"', '""') + '"'
        limit = [] if at_most is None else [literal(at_most, Integer)]
        super().__init__(Tenant.id, Tenant.name, Tenant.slug, text, phrase, *limit)


@compiles(_Has, "sqlite")
def _in_sqlite(element: _Has, compiler: SQLCompiler, **kw: Any) -> str:
    number, _name, _slug, _text, phrase, *limit = element.clauses
    found = f"FROM {TABLE} WHERE {TABLE} MATCH {compiler.process(phrase, **kw)}"
    for at_most in limit:
        found += f" ORDER BY rowid LIMIT {compiler.process(at_most, **kw)}"
    return f"{compiler.process(number, **kw)} IN (SELECT rowid {found})"


@compiles(_Has, "postgresql")
def _in_postgresql(element: _Has, compiler: SQLCompiler, **kw: Any) -> str:
    number, name, slug, text, _phrase, *limit = element.clauses
    named, slugged = compiler.process(name, **kw), compiler.process(slug, **kw)
    wanted = f"lower({compiler.process(text, **kw)})"
    runs = RUNS.format(name=named, slug=slugged)
    # Runs in another order are no match; who has them all is looked at once more.
    exact = " OR ".join(
        f"position({wanted} in '  ' || {it}) > 0" for it in (f"lower({named})", slugged)
    )
    found = f"{runs} @> text_runs({wanted}) AND ({exact})"
    for at_most in limit:
        # In no order, else all that match would be read before some are left out.
        bounded = f"id FROM tenant WHERE {found} LIMIT {compiler.process(at_most, **kw)}"
        # An array, whose numbers are looked up one by one: beside an `OR`, and where the planner
        # expects hundreds, `IN (SELECT …)` reads the whole table instead.
        return f"{compiler.process(number, **kw)} = ANY (ARRAY(SELECT {bounded}))"
    return f"({found})"
