"""How input text is read: one rule for names, reasons and searches.

Text is kept in Unicode's NFC form, without white space around it. Refused are

- everywhere: control characters and lone surrogates, which PostgreSQL or UTF-8 cannot store;
- except in searches: invisible characters and those that change the direction of text, since with
  them two names look the same, or a name cannot be typed.

Allowed although invisible: the joiners U+200C and U+200D (Persian, Indic scripts, emoji), the
variation selectors (emoji, Han, Mongolian) and the marks U+061C, U+200E and U+200F (punctuation
beside Arabic and Hebrew). Private use and code points unknown to this Python are allowed.
"""

import re
import unicodedata
from enum import StrEnum
from typing import Any

Ranges = tuple[tuple[int, int], ...]

LINE_CONTROLS: Ranges = ((0x09, 0x0D),)
OTHER_CONTROLS: Ranges = ((0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x9F))
CONTROLS: Ranges = LINE_CONTROLS + OTHER_CONTROLS
SURROGATES: Ranges = ((0xD800, 0xDFFF),)
# Unicode's Default_Ignorable_Code_Point without the allowed ones, line separators, annotation
# marks, the blank Braille pattern, the null notehead, and noncharacters.
INVISIBLE: Ranges = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180E, 0x180E)),
    *((0x200B, 0x200B), (0x2028, 0x202E), (0x2060, 0x206F)),
    *((0x2800, 0x2800), (0x3164, 0x3164), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB)),
    *((0xFDD0, 0xFDEF), (0xFFFE, 0xFFFF), (0x1BCA0, 0x1BCA3), (0x1D159, 0x1D159)),
    *((0x1D173, 0x1D17A), (0xE0000, 0xE00FF), (0xE01F0, 0xE0FFF)),
    *((plane + 0xFFFE, plane + 0xFFFF) for plane in range(0x10000, 0x110000, 0x10000)),
)
SPACES: Ranges = (
    *(*LINE_CONTROLS, (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)),
    *((0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
)
# Allowed; a text of these alone counts as empty.
JOINERS: Ranges = (
    *((0x61C, 0x61C), (0x180B, 0x180D), (0x180F, 0x180F), (0x200C, 0x200F), (0xFE00, 0xFE0F)),
    (0xE0100, 0xE01EF),
)


def N_(text: str) -> str:
    """The text itself; it is translated where it is shown."""
    return text


class TextFault(StrEnum):
    UNPRINTABLE = "unprintable"
    INVISIBLE = "invisible"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    NO_SLUG = "no_slug"


# What pages say; other callers get it as a clause.
SENTENCES = {
    TextFault.UNPRINTABLE: "Must not contain control characters or lone surrogates.",
    TextFault.INVISIBLE: N_("Must not contain the invisible character %(character)s."),
    TextFault.EMPTY: N_("Must not be empty."),
    TextFault.TOO_LONG: N_("Must have at most %(most)s characters."),
    TextFault.NO_SLUG: N_(
        "Must be lower-case letters and digits, joined by single hyphens, "
        "at most %(most)s characters."
    ),
}


def clause(sentence: str) -> str:
    """The sentence without its capital letter and its full stop."""
    return f"{sentence[:1].lower()}{sentence[1:].removesuffix('.')}"


class UnusableText(ValueError):
    """A text that is refused; `template` with `values` is the sentence, to translate."""

    def __init__(self, fault: TextFault, **values: Any) -> None:
        self.fault = fault
        self.template = SENTENCES[fault]
        self.values = values
        super().__init__(clause(self.template) % values)


def one_of(*ranges: Ranges) -> str:
    """The inside of a regular expression's brackets, for Python, ECMAScript and Rust."""
    return "".join(f"{_escaped(first)}-{_escaped(last)}" for each in ranges for first, last in each)


def _escaped(point: int) -> str:
    return f"\\u{point:04x}" if point <= 0xFFFF else chr(point)


REPLACEMENT = "\ufffd"
MAX_DIGITS = 18
_UNSTORABLE = re.compile(f"[{one_of(CONTROLS, SURROGATES)}]")
_INVISIBLE = re.compile(f"[{one_of(INVISIBLE)}]")
_SHOWN = re.compile(f"[^{one_of(CONTROLS, SURROGATES, INVISIBLE, SPACES, JOINERS)}]")
_NOT_TYPED = re.compile(f"[{one_of(CONTROLS, SURROGATES, INVISIBLE, JOINERS)}]")
_WHITE = "".join(chr(point) for first, last in SPACES for point in range(first, last + 1))
_WHITE_RUN = re.compile(f"[{one_of(SPACES)}]+")

# The same rules for the API's description: a text that is folded first and may be empty, and one
# that is not.
FOLDED_TEXT = f"^[^{one_of(OTHER_CONTROLS, INVISIBLE)}]*$"
SHOWN_TEXT = (
    f"^[{one_of(SPACES)}]*[^{one_of(CONTROLS, INVISIBLE)}]*"
    f"[^{one_of(CONTROLS, INVISIBLE, SPACES, JOINERS)}]"
    f"[^{one_of(CONTROLS, INVISIBLE)}]*[{one_of(SPACES)}]*$"
)


def is_storable(text: str) -> bool:
    """False where the text has control characters or lone surrogates."""
    return _UNSTORABLE.search(text) is None


def storable(text: str) -> str:
    """The text with a replacement character for each one that cannot be stored."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def visible(text: str) -> str:
    """The text with a replacement character for each one that names may not have."""
    return _INVISIBLE.sub(REPLACEMENT, storable(text))


def clean_text(text: str, most: int, *, may_be_empty: bool = False) -> str:
    """The text as it is stored: one line, at most `most` characters in NFC.

    Inner runs of white space are kept.

    Raises:
        UnusableText: it is empty or too long, or has refused characters.
    """
    cleaned = unicodedata.normalize("NFC", text).strip(_WHITE)
    if not is_storable(cleaned):
        raise UnusableText(TextFault.UNPRINTABLE)
    if invisible := _INVISIBLE.search(cleaned):
        raise UnusableText(TextFault.INVISIBLE, character=f"U+{ord(invisible[0]):04X}")
    if len(cleaned) > most:
        raise UnusableText(TextFault.TOO_LONG, most=most)
    if _SHOWN.search(cleaned):
        return cleaned
    if not may_be_empty:
        raise UnusableText(TextFault.EMPTY)
    return ""


def folded(text: str) -> str:
    """The text with each run of white space, line breaks included, as one space."""
    return _WHITE_RUN.sub(" ", text).strip(" ")


def whole_number(text: str) -> int | None:
    """The number in a text of ASCII digits alone; None for any other text.

    18 digits are more than any number of ours has, and fit into the databases' integers.
    """
    is_one = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return int(text) if is_one else None


def as_typed(text: str) -> str:
    """The text as typed: NFKC, single spaces, nothing invisible; empty where nothing is drawn."""
    spaced = " ".join(unicodedata.normalize("NFKC", text).split())
    return " ".join(_NOT_TYPED.sub("", spaced).split())
