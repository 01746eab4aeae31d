"""Faults of a file or of a row, as codes that pages put in words."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from webapp.errors import DomainError
from webapp.texts import TextFault


class FileFault(StrEnum):
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    TOO_MANY_ROWS = "too_many_rows"
    NO_ROWS = "no_rows"
    WORKBOOK = "workbook"
    NOT_UTF8 = "not_utf8"
    NOT_TEXT = "not_text"
    BROKEN = "broken"
    COLUMN_MISSING = "column_missing"
    COLUMN_UNKNOWN = "column_unknown"
    COLUMN_TWICE = "column_twice"


class RowFault(StrEnum):
    """Why a row is invalid, or was refused at its creation."""

    NAME_EMPTY = "name_empty"
    NAME_TOO_LONG = "name_too_long"
    NAME_UNPRINTABLE = "name_unprintable"
    NAME_INVISIBLE = "name_invisible"
    NAME_TWICE = "name_twice"
    SLUG_UNUSABLE = "slug_unusable"
    SLUG_TWICE = "slug_twice"
    SLUG_TAKEN = "slug_taken"
    NUMBER_UNUSABLE = "number_unusable"
    NUMBER_TWICE = "number_twice"
    NUMBER_TAKEN = "number_taken"
    TOO_MANY_CELLS = "too_many_cells"

    @classmethod
    def of_name(cls, fault: TextFault) -> "RowFault":
        return cls(f"name_{fault}")


@dataclass(frozen=True)
class Problem:
    """One fault of a row, and what it conflicts with."""

    fault: RowFault
    line: int | None = None
    slug: str | None = None
    number: int | None = None
    # Written as U+200B, since the character itself is invisible.
    character: str | None = None


@dataclass(eq=False)
class UnreadableFile(DomainError):
    """The file cannot be parsed; `line` and `column` say where."""

    fault: FileFault
    line: int = 1
    column: str = ""
    code = "unreadable_file"
    template = "The file cannot be read: %(fault)s."


@dataclass(eq=False)
class ImportRefused(DomainError):
    """Nothing was imported. `rows` has the problems by line.

    It is empty where a number or a slug was taken during the import.
    """

    rows: Mapping[int, Sequence[Problem]]
    code = "import_refused"
    template = "Rows of the file are unusable."


@dataclass(eq=False)
class UploadNotFound(DomainError):
    """There is no upload with this number, or it was deleted."""

    upload_id: int
    code = "not_found"
    template = "There is no upload %(upload_id)s."


def dumped(problems: Iterable[Problem]) -> str | None:
    """The problems as text for the database; None where there is none."""
    kept = [
        {name: value for name, value in vars(problem).items() if value is not None}
        for problem in problems
    ]
    return json.dumps(kept, separators=(",", ":")) if kept else None


def loaded(text: str | None) -> list[Problem]:
    return [
        Problem(**{**values, "fault": RowFault(values["fault"])})
        for values in json.loads(text or "[]")
    ]
