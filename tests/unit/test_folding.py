"""Folding: what a search takes for the same."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.models.naming import folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("Zürich", "ZURICH"), ("Łódź", "lodz"), ("Straße", "STRASSE"), ("STRAẞE", "strasse")),
        *(("İSTANBUL", "istanbul"), ("Diyarbakır", "DIYARBAKIR"), ("Ørsted Ærø", "orsted aero")),
        *(("Ελλάδα ΟΔΟΣ", "ελλαδα οδος"), ("Королёв", "КОРОЛЕВ"), ("ＡＢＣ　１", "abc 1")),
        *((unicodedata.normalize("NFD", "한국"), "한국"), ("ﾊﾞﾝｸ", "バンク"), ("محمّد", "محمد")),
        *(("O’Neil – «A»", "o'neil - <<a>>"), ("می\u200cشود", "میشود"), ("  A \t B ", "a b")),
    ],
)
def test_texts_are_the_same_when_they_differ_in_case_accents_and_width(
    one: str, other: str
) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), [("กุ", "ก"), ("が", "か"), ("कु", "क"), ("a", "b")])
def test_texts_differ_when_a_mark_is_part_of_a_letter(one: str, other: str) -> None:
    assert folded(one) != folded(other)


@given(st.text())
def test_nothing_changes_when_a_text_is_folded_twice(text: str) -> None:
    assert folded(folded(text)) == folded(text)
