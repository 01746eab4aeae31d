"""Finding a slug that no living tenant has."""

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.tenants.models import Tenant
from webapp.tenants.naming import numbered_slug, slugify

FIRST_NUMBERS = range(2, 22)
HIGHEST_POWER = 2**20


def free_slug(session: Session, name: str) -> str:
    """A free slug made from the name: as it is, else with `-2`, `-3`, … behind it.

    Among very many tenants of one name the number is found by halving, so it may skip some.
    Another process may take the slug before the commit; the unique index then tells.
    """
    base = slugify(name)
    candidates = [base, *(numbered_slug(base, number) for number in FIRST_NUMBERS)]
    taken = _taken(session, candidates)
    for candidate in candidates:
        if candidate not in taken:
            return candidate
    return numbered_slug(base, _first_free_number(session, base))


def random_slug(name: str) -> str:
    """A slug made from the name that nobody else will think of."""
    return numbered_slug(slugify(name), 10**9 + secrets.randbelow(10**9))


def _first_free_number(session: Session, base: str) -> int:
    low, high = FIRST_NUMBERS[-1], FIRST_NUMBERS[-1] * 2
    while high < HIGHEST_POWER and _taken(session, [numbered_slug(base, high)]):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if _taken(session, [numbered_slug(base, middle)]):
            low = middle
        else:
            high = middle
    return high


def _taken(session: Session, slugs: list[str]) -> set[str]:
    found = select(Tenant.slug).where(Tenant.slug.in_(slugs), Tenant.deleted_at.is_(None))
    return set(session.scalars(found))
