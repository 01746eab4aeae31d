"""Validates the rows of a file against the tenants that exist."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from webapp.csv_import.faults import ImportRefused, Problem, RowFault
from webapp.csv_import.parsing import FileRow
from webapp.csv_import.rows import Candidate, separate
from webapp.models.csv_import import RowOutcome
from webapp.models.tenant import Tenant

ASKED_AT_ONCE = 1_000


@dataclass(frozen=True)
class Verdict:
    """Whether a row is new, exists as a tenant, or is invalid."""

    outcome: RowOutcome
    problems: tuple[Problem, ...] = ()
    tenant_id: int | None = None
    slug: str | None = None


NEW = Verdict(RowOutcome.NEW)


def validate_rows(
    session: Session, rows: Sequence[FileRow]
) -> list[tuple[FileRow, Candidate | None, Verdict]]:
    """Each row with its verdict; a few queries in all. Writes nothing."""
    usable, problems = separate(rows)
    verdicts = dict(zip((one.line for one in usable), validate(session, usable), strict=True))
    by_line = {one.line: one for one in usable}
    return [
        (row, by_line.get(row.line), verdicts.get(row.line) or _invalid(problems[row.line]))
        for row in rows
    ]


def usable_tenants(examined: Sequence[tuple[FileRow, Candidate | None, Verdict]]) -> list[Tenant]:
    """The tenants of rows that are all new and have a number and a slug.

    Raises:
        ImportRefused: one of them is not new.
    """
    problems_by_line = {
        row.line: _problems(candidate, verdict) for row, candidate, verdict in examined
    }
    if refused := {line: problems for line, problems in problems_by_line.items() if problems}:
        raise ImportRefused(refused)
    return [Tenant(id=one.number, name=one.name, slug=one.slug) for _, one, _ in examined if one]


def _problems(candidate: Candidate | None, verdict: Verdict) -> tuple[Problem, ...]:
    if candidate and verdict.outcome == RowOutcome.UNCHANGED:
        return (Problem(RowFault.NUMBER_TAKEN, number=candidate.number),)
    return verdict.problems


def validate(session: Session, candidates: Sequence[Candidate]) -> Iterator[Verdict]:
    """The verdict of each against the tenants that exist now."""
    known = _Known.of(session, candidates)
    for candidate in candidates:
        yield known.compare(candidate)


def _invalid(problems: Sequence[Problem]) -> Verdict:
    return Verdict(RowOutcome.INVALID, tuple(problems))


@dataclass(frozen=True)
class _Known:
    """The tenants that have a number, slug or name of a row; a deleted one only its number."""

    numbers: dict[int, Any]
    slugs: dict[str, Any]
    names: dict[str, Any]

    @classmethod
    def of(cls, session: Session, candidates: Sequence[Candidate]) -> "_Known":
        living = Tenant.deleted_at.is_(None)
        numbers = [one.number for one in candidates if one.number is not None]
        slugs = [one.wanted_slug for one in candidates if one.wanted_slug is not None]
        names = [one.name for one in candidates if one.wanted_slug is None]
        return cls(
            numbers={row.id: row for row in _tenants(session, Tenant.id, numbers)},
            slugs={row.slug: row for row in _tenants(session, Tenant.slug, slugs, living)},
            names={row.name: row for row in _tenants(session, Tenant.name, names, living)},
        )

    def compare(self, one: Candidate) -> Verdict:
        if one.number is not None:
            return self._compare_number(one, one.number)
        tenant = self.slugs.get(one.wanted_slug or "")
        if tenant is not None and tenant.name != one.name:
            return _slug_taken(tenant)
        if one.wanted_slug is None:
            tenant = self.names.get(one.name)
        return _unchanged(tenant) if tenant else NEW

    def _compare_number(self, one: Candidate, number: int) -> Verdict:
        has_number = self.numbers.get(number)
        if has_number is not None:
            same = has_number.deleted_at is None and has_number.name == one.name
            if same and one.slug in {None, has_number.slug}:
                return _unchanged(has_number)
            return _invalid([Problem(RowFault.NUMBER_TAKEN, number=number)])
        has_slug = self.slugs.get(one.wanted_slug or "")
        return _slug_taken(has_slug) if has_slug else NEW


def _unchanged(tenant: Any) -> Verdict:
    return Verdict(RowOutcome.UNCHANGED, tenant_id=tenant.id, slug=tenant.slug)


def _slug_taken(tenant: Any) -> Verdict:
    return _invalid([Problem(RowFault.SLUG_TAKEN, slug=tenant.slug, number=tenant.id)])


def _tenants(
    session: Session, column: Any, values: Sequence[Any], *conditions: ColumnElement[bool]
) -> Iterator[Any]:
    columns = select(Tenant.id, Tenant.name, Tenant.slug, Tenant.deleted_at).where(*conditions)
    for start in range(0, len(values), ASKED_AT_ONCE):
        some = values[start : start + ASKED_AT_ONCE]
        yield from session.execute(columns.where(column.in_(some)))
