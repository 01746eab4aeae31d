"""Which texts are taken, and what of them is typed by somebody who sees them."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webapp.texts import (
    FOLDED_TEXT,
    SHOWN_TEXT,
    UnusableText,
    as_typed,
    clean_text,
    folded,
    is_storable,
    storable,
    visible,
)

ANY = st.text(st.characters(exclude_categories=()), max_size=20)
MOST = 500
REFUSED = (
    *("\u00ad", "\u034f", "\u115f", "\u180e", "\u200b", "\u2028", "\u2029", "\u202a", "\u202e"),
    *("\u2060", "\u2066", "\u2069", "\u2800", "\u3164", "\ufeff", "\U000e0041"),
    *("\ufdd0", "\ufffe", "\U0001ffff", "\U0010ffff", "\U0001d159"),
)
NEEDED = {
    "a joiner in Persian": "می\u200cخواهم",
    "joined emoji": "👩\u200d💻 Lab",
    "a heart in colour": "I ❤\ufe0f Milvus",
    "a variant of a Han character": "葛\U000e0100城",
    "a direction mark": "\u200fשלום",
    "private use": "Caf\ue000",
    "an ideographic space": "株式会社\u3000山田",
}


@pytest.mark.parametrize("character", REFUSED)
def test_a_character_is_named_when_it_cannot_be_seen(character: str) -> None:
    with pytest.raises(UnusableText) as refused:
        clean_text(f"Ac{character}me", MOST)
    assert str(refused.value) == (
        f"must not contain the invisible character U+{ord(character):04X}"
    )


@pytest.mark.parametrize("text", NEEDED.values(), ids=NEEDED)
def test_a_text_stays_as_it_is_when_its_language_needs_it(text: str) -> None:
    assert clean_text(text, MOST) == text


@given(ANY)
def test_what_is_taken_is_what_the_description_promises(text: str) -> None:
    """But for lone surrogates, which no program sends and no pattern can name."""
    try:
        clean_text(text, MOST)
    except UnusableText:
        is_taken = False
    else:
        is_taken = True
    described = re.search(SHOWN_TEXT, unicodedata.normalize("NFC", text)) is not None
    assert is_taken == (described and storable(text.strip()) == text.strip())


@given(ANY)
@example("line\fbreak")
@example("\x1f")
def test_a_folded_text_is_taken_when_its_pattern_matches(text: str) -> None:
    described = re.search(FOLDED_TEXT, text) is not None
    has_surrogate = any(unicodedata.category(each) == "Cs" for each in text)
    try:
        clean_text(folded(text), MOST, may_be_empty=True)
    except UnusableText:
        assert not described or has_surrogate
    else:
        assert described


@given(ANY)
def test_what_is_typed_is_the_same_when_it_was_copied(text: str) -> None:
    assert as_typed(as_typed(text)) == as_typed(text)


@given(ANY)
def test_a_text_can_be_stored_when_it_was_made_storable(text: str) -> None:
    assert is_storable(storable(text)) and is_storable(visible(text))
    storable(text).encode()


def test_a_name_of_old_is_typed_without_what_nobody_sees() -> None:
    assert as_typed("Acme\u202e  S.p.A.\u200b") == as_typed("Acme S.p.A.") == "Acme S.p.A."
