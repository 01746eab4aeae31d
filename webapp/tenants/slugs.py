"""Finds slugs that no living tenant has."""

import secrets
from collections import deque
from collections.abc import Collection, Sequence
from itertools import chain, count

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models.naming import numbered_slug, slugify
from webapp.models.tenant import Tenant

FIRST_NUMBERS = range(2, 22)
HIGHEST_POWER = 2**20

# For many names at once, at most this many slugs are looked up; names left get a random one.
ASKED_AT_MOST = 20_000
ASKED_AT_ONCE = 1_000


def free_slug(session: Session, name: str) -> str:
    """A free slug made from the name: as it is, else with `-2`, `-3`, … behind it.

    Among very many tenants of one name a binary search finds the number, so it may skip some.
    Another process may take the slug before the commit; then the unique index refuses it.
    """
    base = slugify(name)
    candidates = [base, *(numbered_slug(base, number) for number in FIRST_NUMBERS)]
    taken = _taken(session, candidates)
    for candidate in candidates:
        if candidate not in taken:
            return candidate
    return numbered_slug(base, _first_free_number(session, base))


def free_slugs(session: Session, names: Sequence[str], reserved: Collection[str]) -> list[str]:
    """A free slug for each name, numbered as in `free_slug`; distinct, and not in `reserved`.

    Costs a few queries, for any number of names and of equal ones.
    """
    made: dict[int, str] = {}
    gone = set(reserved)
    waiting = _by_base(names)
    numbers = {base: count(1) for base in waiting}
    spare, looked_up = 0, 0
    while waiting and looked_up < ASKED_AT_MOST:
        offered = {
            base: [_numbered(base, next(numbers[base])) for _ in range(len(places) + spare)]
            for base, places in waiting.items()
        }
        gone |= slugs_in_use(session, list(chain.from_iterable(offered.values())))
        for base, slugs in offered.items():
            for slug in slugs:
                if waiting[base] and slug not in gone:
                    made[waiting[base].popleft()] = slug
                    gone.add(slug)
        waiting = {base: places for base, places in waiting.items() if places}
        looked_up += sum(map(len, offered.values()))
        spare = spare * 4 or 4
    return [made.get(place) or random_slug(name) for place, name in enumerate(names)]


def _by_base(names: Sequence[str]) -> dict[str, deque[int]]:
    """The positions of the names by the base of their slug."""
    places: dict[str, deque[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(slugify(name), deque()).append(place)
    return places


def _numbered(base: str, number: int) -> str:
    return base if number == 1 else numbered_slug(base, number)


def slugs_in_use(session: Session, slugs: Sequence[str]) -> set[str]:
    """Those of the slugs that a living tenant has."""
    return {
        slug
        for start in range(0, len(slugs), ASKED_AT_ONCE)
        for slug in _taken(session, list(slugs[start : start + ASKED_AT_ONCE]))
    }


def random_slug(name: str) -> str:
    """A slug made from the name, with a random number of ten digits."""
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
    statement = select(Tenant.slug).where(Tenant.slug.in_(slugs), Tenant.deleted_at.is_(None))
    return set(session.scalars(statement))
