"""Names made from a tenant: its partition's, from the number alone, and its slug's."""

import re
import unicodedata

from anyascii import anyascii

from webapp.texts import TextFault as NameFault
from webapp.texts import UnusableText as UnusableName
from webapp.texts import clean_text, is_storable

# Far above what a sequence reaches, and still exact in every JSON reader (2**53).
MAX_TENANT_ID = 10**15

MAX_NAME_LENGTH = 255
MAX_SLUG_LENGTH = 63
SLUG_PATTERN = r"[a-z0-9]+(?:-[a-z0-9]+)*"

# What is wrong with a name, and who asks whether a text may be kept, finds it here.
__all__ = ["NameFault", "UnusableName", "is_storable"]


def partition_name(tenant_id: int) -> str:
    """The partition of a tenant. It depends on the number alone and never changes.

    Raises:
        ValueError: the number is not one that a tenant can have.
    """
    if not 1 <= tenant_id <= MAX_TENANT_ID:
        raise ValueError(f"a tenant's number lies between 1 and {MAX_TENANT_ID}")
    return f"tenant_{tenant_id}"


def number_in(partition: str) -> int | None:
    """The number in a name as `partition_name` makes them; None for any other name.

    It may be higher than any tenant's.
    """
    canonical = re.fullmatch(r"tenant_([1-9][0-9]*)", partition)
    return int(canonical[1]) if canonical else None


def slugify(name: str) -> str:
    """A slug of the name: ASCII letters and digits joined by `-`; `tenant` if none is left.

    Letters and digits of every script are transliterated (`Łódź` gives `lodz`, `深圳` gives
    `shenzhen`). All other characters, emoji among them, only separate words.
    """
    return "-".join(_words(name))[:MAX_SLUG_LENGTH].strip("-") or "tenant"


def is_shown_by_slug(name: str) -> bool:
    """True where names that differ in more than accents, case and signs get different slugs.

    So it is with plain Latin letters and digits. A transliteration is coarser: of two cities in
    Chinese both may be `beijing`.
    """
    decomposed = unicodedata.normalize("NFKD", name)
    is_plain = all(c.isascii() or unicodedata.combining(c) for c in decomposed)
    return is_plain and bool(_words(name))


def _words(name: str) -> list[str]:
    letters = "".join(map(_ascii, unicodedata.normalize("NFKC", name)))
    return re.findall(r"[a-z0-9]+", letters)


def _ascii(character: str) -> str:
    """What stands for the character in a slug; a space where that is nothing but a border."""
    if character.isascii():
        return character.lower()
    if unicodedata.category(character)[0] not in "LMN":
        return " "
    # `ь` becomes an apostrophe, which must not part a word.
    return "".join(filter(str.isalnum, anyascii(character).lower()))


def numbered_slug(slug: str, number: int) -> str:
    """The slug with `-number` behind it, shortened where it would grow too long."""
    ending = f"-{number}"
    return slug[: MAX_SLUG_LENGTH - len(ending)].rstrip("-") + ending


def is_slug(text: str) -> bool:
    """True for a slug as `slugify` makes them."""
    return len(text) <= MAX_SLUG_LENGTH and re.fullmatch(SLUG_PATTERN, text) is not None


def clean_name(name: str) -> str:
    """The name as it is stored, by the rules of `webapp.texts`.

    Raises:
        UnusableName: it is empty, too long, or holds characters that no name has.
    """
    return clean_text(name, MAX_NAME_LENGTH)
