"""Judging the rows of a file against the tenants that are there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.csv_import.faults import ImportRefused, Problem, RowFault
from webapp.csv_import.parsing import FileRow
from webapp.csv_import.rows import Candidate, separate
from webapp.models.csv_import import RowOutcome
from webapp.models.tenant import Tenant

ASKED_AT_ONCE = 1_000


@dataclass(frozen=True)
class Verdict:
    """What a row is: new, there already as a tenant, or unusable."""

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


def usable_tenants(found: Sequence[tuple[FileRow, Candidate | None, Verdict]]) -> list[Tenant]:
    """The tenants of rows that are all new and have a number and a slug.

    Raises:
        ImportRefused: one of them is not new.
    """
    wrong = {row.line: _in_the_way(candidate, verdict) for row, candidate, verdict in found}
    if refused := {line: problems for line, problems in wrong.items() if problems}:
        raise ImportRefused(refused)
    return [Tenant(id=one.number, name=one.name, slug=one.slug) for _, one, _ in found if one]


def _in_the_way(candidate: Candidate | None, verdict: Verdict) -> tuple[Problem, ...]:
    if candidate and verdict.outcome == RowOutcome.UNCHANGED:
        return (Problem(RowFault.NUMBER_TAKEN, number=candidate.number),)
    return verdict.problems


def validate(session: Session, candidates: Sequence[Candidate]) -> Iterator[Verdict]:
    """What each is against the tenants that are there now."""
    known = _Known.of(session, candidates)
    for candidate in candidates:
        yield known.judge(candidate)


def _invalid(problems: Sequence[Problem]) -> Verdict:
    return Verdict(RowOutcome.INVALID, tuple(problems))


@dataclass(frozen=True)
class _There:
    id: int
    name: str
    slug: str
    is_living: bool


@dataclass(frozen=True)
class _Known:
    """The tenants that have something that a row wants."""

    numbers: dict[int, _There]
    slugs: dict[str, _There]
    names: dict[str, _There]

    @classmethod
    def of(cls, session: Session, candidates: Sequence[Candidate]) -> "_Known":
        numbers = [one.number for one in candidates if one.number is not None]
        slugs = [one.wanted_slug for one in candidates if one.wanted_slug is not None]
        names = [one.name for one in candidates if one.wanted_slug is None]
        return cls(
            numbers={there.id: there for there in _there(session, Tenant.id, numbers)},
            slugs={t.slug: t for t in _there(session, Tenant.slug, slugs, living=True)},
            names={t.name: t for t in _there(session, Tenant.name, names, living=True)},
        )

    def judge(self, one: Candidate) -> Verdict:
        if one.number is not None:
            return self._judge_numbered(one, one.number)
        there = self.slugs.get(one.wanted_slug or "")
        if there is not None and there.name != one.name:
            return _slug_taken(there)
        if one.wanted_slug is None:
            there = self.names.get(one.name)
        return _unchanged(there) if there else NEW

    def _judge_numbered(self, one: Candidate, number: int) -> Verdict:
        has_number = self.numbers.get(number)
        if has_number is not None:
            same = has_number.is_living and has_number.name == one.name
            if same and one.slug in {None, has_number.slug}:
                return _unchanged(has_number)
            return _invalid([Problem(RowFault.NUMBER_TAKEN, number=number)])
        has_slug = self.slugs.get(one.wanted_slug or "")
        return _slug_taken(has_slug) if has_slug else NEW


def _unchanged(there: _There) -> Verdict:
    return Verdict(RowOutcome.UNCHANGED, tenant_id=there.id, slug=there.slug)


def _slug_taken(there: _There) -> Verdict:
    return _invalid([Problem(RowFault.SLUG_TAKEN, slug=there.slug, number=there.id)])


def _there(
    session: Session, column: Any, values: Sequence[int] | Sequence[str], *, living: bool = False
) -> Iterator[_There]:
    """The tenants that have one of the values, deleted ones too unless only the living count."""
    for start in range(0, len(values), ASKED_AT_ONCE):
        some = values[start : start + ASKED_AT_ONCE]
        found = select(Tenant.id, Tenant.name, Tenant.slug, Tenant.deleted_at).where(
            column.in_(some)
        )
        if living:
            found = found.where(Tenant.deleted_at.is_(None))
        for row in session.execute(found):
            yield _There(row.id, row.name, row.slug, row.deleted_at is None)
