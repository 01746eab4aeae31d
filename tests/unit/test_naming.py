"""Names: a partition's from the number alone, slugs that are always valid."""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from webapp.models.naming import (
    MAX_SLUG_LENGTH,
    MAX_TENANT_ID,
    clean_name,
    is_slug,
    is_told_by_slug,
    numbered_slug,
    partition_name,
    slugify,
)


@given(st.text())
def test_slug_is_valid_whatever_the_name(name: str) -> None:
    assert is_slug(slugify(name))


@given(st.text(), st.integers(2, 10**10))
def test_slug_stays_valid_when_numbered(name: str, number: int) -> None:
    slug = numbered_slug(slugify(name), number)
    assert is_slug(slug)
    assert slug.endswith(f"-{number}")


@given(st.from_regex(r"\A[a-z0-9]+(-[a-z0-9]+)*\Z").filter(lambda s: len(s) <= MAX_SLUG_LENGTH))
def test_slug_is_kept_when_it_is_one_already(slug: str) -> None:
    assert slugify(slug) == slug


@given(st.text())
def test_name_is_in_nfc_and_stays_when_cleaned_again(name: str) -> None:
    try:
        cleaned = clean_name(name)
    except ValueError:
        assume(False)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert clean_name(cleaned) == cleaned == cleaned.strip()
    cleaned.encode()


@given(st.integers(1, MAX_TENANT_ID))
def test_partition_is_named_from_the_number_alone(number: int) -> None:
    name = partition_name(number)
    assert name == f"tenant_{number}"
    assert int(name.removeprefix("tenant_")) == number


@pytest.mark.parametrize("number", [0, -1, MAX_TENANT_ID + 1])
def test_partition_is_refused_when_no_tenant_can_have_the_number(number: int) -> None:
    with pytest.raises(ValueError, match="number"):
        partition_name(number)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme S.p.A.", "acme-s-p-a"),
        ("Società Però", "societa-pero"),
        *(("Łódź", "lodz"), ("Øresund", "oresund"), ("Straße", "strasse"), ("İzmir", "izmir")),
        *(("深圳", "shenzhen"), ("Ελλάδα", "ellada"), ("Москва", "moskva"), ("عربي", "rby")),
        *(("한국", "hangug"), ("한국", "hangug"), ("हिन्दी", "hindi"), ("ＡＢＣ", "abc")),
        *(("Кольцо", "koltso"), ("O’Neil", "o-neil"), ("A–B", "a-b"), ("Nº ½", "no-1-2")),
        # Emoji and signs say nothing that a slug would repeat.
        *(("Acme 🚀", "acme"), ("😀", "tenant"), ("--", "tenant")),
        ("x" * 200, "x" * MAX_SLUG_LENGTH),
    ],
)
def test_slug_is_made_of_what_is_left_of_the_name(name: str, slug: str) -> None:
    assert slugify(name) == slug


@pytest.mark.parametrize("name", ["東京", "Łódź", "O’Neil", "😀", "--", "Acme 東京"])
def test_a_name_is_not_told_by_its_slug_when_others_may_have_the_same(name: str) -> None:
    assert not is_told_by_slug(name)
    assert is_told_by_slug("Müller & Söhne 50%")


UNREADABLE = ["", "   ", "\u200b", "\u200d\ufe0f", "a\x00b", "a\nb", "\ud800", "é" * 256]


@pytest.mark.parametrize("name", UNREADABLE)
def test_name_is_refused_when_nobody_could_read_it(name: str) -> None:
    with pytest.raises(ValueError, match="must"):
        clean_name(name)


@pytest.mark.parametrize("text", ["", "-a", "a-", "a--b", "A", "a_b", "a\n", "é", "a" * 64])
def test_text_is_no_slug_when_it_is_not_made_like_one(text: str) -> None:
    assert not is_slug(text)
