"""Validates the rows of a file by themselves and against each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.csv_import.faults import Problem, RowFault
from webapp.csv_import.parsing import FileRow
from webapp.models.csv_import import UploadRow
from webapp.models.naming import clean_name, is_shown_by_slug, is_slug, slugify
from webapp.numbers.counter import HIGHEST
from webapp.texts import UnusableText, whole_number


@dataclass(frozen=True)
class Candidate:
    """A row that is valid by itself, as it would be stored."""

    line: int
    name: str
    slug: str | None
    number: int | None

    @classmethod
    def of(cls, row: UploadRow) -> "Candidate":
        """A stored row that was new at the check."""
        return cls(row.line, row.name, row.slug, int(row.number) if row.number else None)

    @property
    def wanted_slug(self) -> str | None:
        """The given slug, or one made from the name, without a number.

        So a row that is imported again finds its tenant. None where different names may give the
        same slug: then the name finds the tenant, and the slug is chosen at its creation.
        """
        return self.slug or (slugify(self.name) if is_shown_by_slug(self.name) else None)


def separate(rows: Sequence[FileRow]) -> tuple[list[Candidate], dict[int, list[Problem]]]:
    """The valid rows, and the problems of the others by line.

    Of rows with the same number, slug or name, the first is valid.
    """
    usable: list[Candidate] = []
    problems: dict[int, list[Problem]] = {}
    first: dict[tuple[RowFault, object], int] = {}
    for row in rows:
        candidate, wrong = _alone(row)
        if candidate is not None:
            wrong = _repeats(candidate, first)
        if candidate is None or wrong:
            problems[row.line] = wrong
        else:
            usable.append(candidate)
    return usable, problems


def _alone(row: FileRow) -> tuple[Candidate | None, list[Problem]]:
    wrong, name = [], ""
    if row.has_too_many_cells:
        wrong.append(Problem(RowFault.TOO_MANY_CELLS))
    if row.number is not None and not is_number(row.number):
        wrong.append(Problem(RowFault.NUMBER_UNUSABLE))
    try:
        name = clean_name(row.name)
    except UnusableText as error:
        unseen = error.values.get("character")
        wrong.append(Problem(RowFault.of_name(error.fault), character=unseen))
    if row.slug is not None and not is_slug(row.slug):
        wrong.append(Problem(RowFault.SLUG_UNUSABLE))
    if wrong:
        return None, wrong
    return Candidate(row.line, name, row.slug, int(row.number) if row.number else None), []


def is_number(text: str) -> bool:
    """Whether an imported tenant may have this number, with numbers left above it."""
    return not text.startswith("0") and 1 <= (whole_number(text) or 0) <= HIGHEST


def _repeats(one: Candidate, first: dict[tuple[RowFault, object], int]) -> list[Problem]:
    """What an earlier row has already; `first` has the line of each value so far."""
    values = {
        RowFault.NUMBER_TWICE: one.number,
        RowFault.SLUG_TWICE: one.wanted_slug,
        # Without both, the name finds the tenant.
        RowFault.NAME_TWICE: one.name if one.wanted_slug is None and one.number is None else None,
    }
    wrong = []
    for fault, value in values.items():
        line = one.line if value is None else first.setdefault((fault, value), one.line)
        if line != one.line:
            slug = one.wanted_slug if fault == RowFault.SLUG_TWICE else None
            wrong.append(Problem(fault, line=line, slug=slug))
    return wrong
