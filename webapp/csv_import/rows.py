"""Which rows of a file are usable: each by itself, and beside the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.csv_import.faults import Problem, RowFault
from webapp.csv_import.parsing import FileRow
from webapp.models.naming import UnusableName, clean_name, is_shown_by_slug, is_slug, slugify
from webapp.tenants.numbering import HIGHEST


@dataclass(frozen=True)
class Candidate:
    """A row that is usable by itself, in the form in which it would be stored."""

    line: int
    name: str
    slug: str | None
    number: int | None

    @property
    def wanted_slug(self) -> str | None:
        """The slug given, or made from the name. It is never numbered: the same row asked for
        again must find its tenant.

        None where a slug does not tell such names apart: then the name itself does, and the
        slug is chosen when the tenant is made.
        """
        return self.slug or (slugify(self.name) if is_shown_by_slug(self.name) else None)


def separate(rows: Sequence[FileRow]) -> tuple[list[Candidate], dict[int, list[Problem]]]:
    """The usable rows, and what is wrong with the others by their lines.

    Of rows that want the same, the first has it.
    """
    usable: list[Candidate] = []
    problems: dict[int, list[Problem]] = {}
    first = _First()
    for row in rows:
        candidate, wrong = _alone(row)
        if candidate is not None:
            wrong = first.problems(candidate)
        if candidate is None or wrong:
            problems[row.line] = wrong
        else:
            usable.append(candidate)
    return usable, problems


def _alone(row: FileRow) -> tuple[Candidate | None, list[Problem]]:
    """The row in the form in which it is stored, or what is wrong with it by itself."""
    wrong, name = [], ""
    if row.has_too_many_cells:
        wrong.append(Problem(RowFault.TOO_MANY_CELLS))
    if row.number is not None and not is_number(row.number):
        wrong.append(Problem(RowFault.NUMBER_UNUSABLE))
    try:
        name = clean_name(row.name)
    except UnusableName as error:
        unseen = error.values.get("character")
        wrong.append(Problem(RowFault.of_name(error.fault), character=unseen))
    if row.slug is not None and not is_slug(row.slug):
        wrong.append(Problem(RowFault.SLUG_UNUSABLE))
    if wrong:
        return None, wrong
    return Candidate(row.line, name, row.slug, int(row.number) if row.number else None), []


def is_number(text: str) -> bool:
    """Whether a tenant of before may have this number: with room above it for later ones."""
    digits = text.isascii() and text.isdigit() and not text.startswith("0")
    return digits and len(text) <= len(str(HIGHEST)) and int(text) <= HIGHEST


class _First:
    """Which line was the first to want a slug, a name without one, or a number."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._slugs: dict[str, int] = {}
        self._names: dict[str, int] = {}

    def problems(self, one: Candidate) -> list[Problem]:
        """What this row wants that an earlier one has."""
        wrong = []
        if one.number is not None:
            line = self._numbers.setdefault(one.number, one.line)
            if line != one.line:
                wrong.append(Problem(RowFault.NUMBER_TWICE, line=line))
        if one.wanted_slug is not None:
            line = self._slugs.setdefault(one.wanted_slug, one.line)
            if line != one.line:
                wrong.append(Problem(RowFault.SLUG_TWICE, line=line, slug=one.wanted_slug))
        elif one.number is None:
            line = self._names.setdefault(one.name, one.line)
            if line != one.line:
                wrong.append(Problem(RowFault.NAME_TWICE, line=line))
        return wrong
