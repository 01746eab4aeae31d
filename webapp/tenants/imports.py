"""Taking over tenants from before, with their numbers: all of a file, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.database import Database, utc_now
from webapp.logs import get_logger
from webapp.tenants import audit, deeds
from webapp.tenants.actors import Actor
from webapp.tenants.models import Tenant
from webapp.tenants.naming import MAX_SLUG_LENGTH, clean_name, is_slug
from webapp.tenants.numbers import HIGHEST, lift
from webapp.tenants.queries import batches

log = get_logger("paratia.import")


@dataclass(frozen=True)
class ImportRow:
    """A line of the file as it was written; `line` counts from 1, the header included."""

    line: int
    id: str
    name: str
    slug: str


class ImportRefused(Exception):
    """Nothing was imported. `errors` says why, a sentence a row."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


class Imports:
    """Stores tenants of before. It makes no wish: `flask partitions backfill` does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, rows: Sequence[ImportRow], *, dry_run: bool, actor: Actor) -> int:
        """Store every row, or none; returns how many were (or would be) stored.

        Numbers given out later lie above the highest one of the file.

        Raises:
            ImportRefused: with each unusable row's error.
        """
        errors, tenants = _checked(rows)
        deed = None
        try:
            with self._database.transaction() as session:
                errors += _in_use(session, rows)
                if errors:
                    raise ImportRefused(errors)
                if tenants and not dry_run:
                    session.execute(insert(Tenant), tenants)
                    # On PostgreSQL a number that is given does not move the counter by itself.
                    numbers = [int(row.id) for row in rows]
                    lift(session, max(numbers))
                    deed = deeds.imported(session, numbers, actor)
        except IntegrityError as error:
            raise ImportRefused(
                ["a number or a slug of the file was taken meanwhile; run it again"]
            ) from error
        if deed:
            log.info("tenants.imported", tenants=len(tenants), actor=actor.name)
            audit.announce(deed)
        return len(tenants)


def _checked(rows: Sequence[ImportRow]) -> tuple[list[str], list[dict[str, object]]]:
    errors: list[str] = []
    tenants: list[dict[str, object]] = []
    ids: dict[str, int] = {}
    slugs: dict[str, int] = {}
    now = utc_now()
    for row in rows:
        problems = _problems(row)
        if (first := ids.setdefault(row.id, row.line)) != row.line:
            problems.append(f"id {row.id} stands in line {first} already")
        if (first := slugs.setdefault(row.slug, row.line)) != row.line:
            problems.append(f"slug {row.slug} stands in line {first} already")
        errors += [f"line {row.line}: {problem}" for problem in problems]
        if not problems:
            tenants.append(
                {
                    "id": int(row.id),
                    "name": clean_name(row.name),
                    "slug": row.slug,
                    "created_at": now,
                    "updated_at": now,
                }
            )
    return errors, tenants


def _problems(row: ImportRow) -> list[str]:
    problems = []
    if not is_number(row.id):
        problems.append(f"id {row.id[:40]!r} must be a number from 1 to {HIGHEST}")
    try:
        clean_name(row.name)
    except ValueError as error:
        problems.append(f"name {error}")
    if not is_slug(row.slug):
        problems.append(
            f"slug {row.slug[:80]!r} must be lower-case letters and digits joined by hyphens, "
            f"at most {MAX_SLUG_LENGTH} characters"
        )
    return problems


def is_number(text: str) -> bool:
    """Whether a tenant of before may have this number: with room above it for later ones."""
    digits = text.isascii() and text.isdigit() and not text.startswith("0")
    return digits and len(text) <= len(str(HIGHEST)) and int(text) <= HIGHEST


def _in_use(session: Session, rows: Sequence[ImportRow]) -> list[str]:
    """The rows whose number or slug somebody has already; deleted tenants keep their number."""
    lines = {int(row.id): row.line for row in rows if is_number(row.id)}
    slug_lines = {row.slug: row.line for row in rows if is_slug(row.slug)}
    errors = []
    for ids in batches(list(lines)):
        for number in session.scalars(select(Tenant.id).where(Tenant.id.in_(ids))):
            errors.append(f"line {lines[number]}: id {number} is taken")
    slugs = list(slug_lines)
    for start in range(0, len(slugs), 500):
        taken = select(Tenant.slug).where(
            Tenant.slug.in_(slugs[start : start + 500]), Tenant.deleted_at.is_(None)
        )
        errors += [
            f"line {slug_lines[slug]}: slug {slug} is taken" for slug in session.scalars(taken)
        ]
    return errors
