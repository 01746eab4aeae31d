"""The form in which names are compared by a search: without case, accents and such differences."""

import unicodedata

from anyascii import anyascii

# Combining classes of what only modifies a letter: overlays, the points of Hebrew and Arabic,
# diacritics. Those between are parts of a letter, as the vowels of Thai or Japanese voicing.
ACCENTS = {1, *range(10, 37), *range(200, 241)}


def folded(text: str) -> str:
    """The text as searches compare it: `ZÜRICH` and `Zürich` give `zurich`, `Łódź` gives `lodz`.

    Special letters of the Latin script and signs (quotation marks, dashes) are transliterated;
    other scripts stay, without case and accents. Words are parted by one space. Folding twice
    changes nothing. A database keeps folded names: when this function changes, a migration has
    to set `tenant.folded_from` to NULL, and the reconciler folds them all again.
    """
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        bare = "".join(c for c in decomposed if not _is_left_out(c)).casefold()
        text = "".join(map(_plain, unicodedata.normalize("NFKC", bare)))
    return " ".join(text.lower().split())


def _is_left_out(character: str) -> bool:
    is_invisible = unicodedata.category(character) == "Cf"
    return is_invisible or unicodedata.combining(character) in ACCENTS


def _plain(character: str) -> str:
    if character.isascii():
        return character
    is_latin = unicodedata.name(character, "").startswith("LATIN ")
    is_sign = unicodedata.category(character).startswith("P")
    return anyascii(character) if is_latin or is_sign else character
