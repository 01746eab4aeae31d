"""The form in which searches compare names: without case and accents."""

import unicodedata

from anyascii import anyascii

# Combining classes that only modify a letter: overlays, Hebrew and Arabic points, diacritics. The
# classes between are parts of a letter, such as Thai vowels and Japanese voicing.
ACCENTS = {1, *range(10, 37), *range(200, 241)}


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
