"""Names derived from a tenant: of its partition, its slug, and what searches compare."""

import re
import unicodedata

from anyascii import anyascii

from webapp.texts import TextFault, UnusableText, clean_text

# Above any real sequence, and exact in every JSON reader (below 2**53).
MAX_TENANT_ID = 10**15

MAX_NAME_LENGTH = 255
MAX_SLUG_LENGTH = 63
SLUG_PATTERN = r"[a-z0-9]+(?:-[a-z0-9]+)*"

# Combining classes that only modify a letter: overlays, Hebrew and Arabic points, diacritics. The
# classes between are parts of a letter, such as Thai vowels and Japanese voicing.
ACCENTS = {1, *range(10, 37), *range(200, 241)}

# The partitions of the isolation check, which come and go.
PROBES = ("paratia_probe_1", "paratia_probe_2")


def partition_name(tenant_id: int) -> str:
    """The name of a tenant's partition. It depends on the number alone and never changes.

    Raises:
        ValueError: no tenant can have this number.
    """
    if not 1 <= tenant_id <= MAX_TENANT_ID:
        raise ValueError(f"a tenant's number lies between 1 and {MAX_TENANT_ID}")
    return f"tenant_{tenant_id}"


def number_in(partition: str) -> int | None:
    """The number in a name of `partition_name`, maybe above any tenant's; None for other names."""
    canonical = re.fullmatch(r"tenant_([1-9][0-9]*)", partition)
    return int(canonical[1]) if canonical else None


def slugify(name: str) -> str:
    """A slug of the name: ASCII letters and digits joined by `-`; `tenant` if none is left.

    Letters and digits of every script are transliterated (`Łódź` gives `lodz`, `深圳` gives
    `shenzhen`). Other characters, emoji included, separate words.
    """
    return "-".join(_words(name))[:MAX_SLUG_LENGTH].strip("-") or "tenant"


def is_shown_by_slug(name: str) -> bool:
    """True where different names get different slugs, except for accents, case and punctuation.

    That holds for Latin letters and digits. A transliteration is coarser: two Chinese cities may
    both become `beijing`.
    """
    decomposed = unicodedata.normalize("NFKD", name)
    is_plain = all(c.isascii() or unicodedata.combining(c) for c in decomposed)
    return is_plain and bool(_words(name))


def _words(name: str) -> list[str]:
    letters = "".join(map(_ascii, unicodedata.normalize("NFKC", name)))
    return re.findall(r"[a-z0-9]+", letters)


def _ascii(character: str) -> str:
    """The character in a slug; a space where it only separates words."""
    if character.isascii():
        return character.lower()
    if unicodedata.category(character)[0] not in "LMN":
        return " "
    # anyascii makes an apostrophe of `ь`, which must not split a word.
    return "".join(filter(str.isalnum, anyascii(character).lower()))


def numbered_slug(slug: str, number: int) -> str:
    """The slug with `-number` appended, shortened to the maximum length."""
    ending = f"-{number}"
    return slug[: MAX_SLUG_LENGTH - len(ending)].rstrip("-") + ending


def is_slug(text: str) -> bool:
    """True for a slug that `slugify` could make."""
    return len(text) <= MAX_SLUG_LENGTH and re.fullmatch(SLUG_PATTERN, text) is not None


def clean_slug(text: str) -> str:
    """The text, which is a slug; raises UnusableText for any other."""
    if not is_slug(text):
        raise UnusableText(TextFault.NO_SLUG, most=MAX_SLUG_LENGTH)
    return text


def clean_name(name: str) -> str:
    """The name as it is stored, by the rules of `webapp.texts`.

    Raises:
        UnusableText: it is empty or too long, or has refused characters.
    """
    return clean_text(name, MAX_NAME_LENGTH)


def folded(text: str) -> str:
    """The text as searches compare it: `ZÜRICH` and `Zürich` give `zurich`, `Łódź` gives `lodz`.

    Special Latin letters and punctuation are transliterated; other scripts stay, without case and
    accents. Words are separated by one space. Idempotent. Databases store folded names: a change of
    this function needs a migration that sets `tenant.folded_from` to NULL; the reconciler then
    folds all names again.
    """
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        bare = "".join(c for c in decomposed if not _is_dropped(c)).casefold()
        text = "".join(map(_plain, unicodedata.normalize("NFKC", bare)))
    return " ".join(text.lower().split())


def _is_dropped(character: str) -> bool:
    is_invisible = unicodedata.category(character) == "Cf"
    return is_invisible or unicodedata.combining(character) in ACCENTS


def _plain(character: str) -> str:
    if character.isascii():
        return character
    is_latin = unicodedata.name(character, "").startswith("LATIN ")
    is_sign = unicodedata.category(character).startswith("P")
    return anyascii(character) if is_latin or is_sign else character
