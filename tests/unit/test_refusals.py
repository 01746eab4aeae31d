"""The panel has a sentence of its own for every refusal that it can meet."""

import pytest

from webapp import errors
from webapp.admin.wording.refusals import REASONS, REFUSALS, sentence
from webapp.errors import DomainError
from webapp.tenants.service import check_slug, checked_name

# Fields say their reasons themselves; keys of repeats are for the API alone.
ELSEWHERE = {errors.InvalidField, errors.InvalidRow, errors.KeyMismatch, errors.KeyInUse}


pytestmark = pytest.mark.usefixtures("speaking")


def test_every_refusal_has_its_sentence() -> None:
    known = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    refusals = {kind for kind in known if issubclass(kind, DomainError) and kind is not DomainError}
    assert refusals - ELSEWHERE == set(REFUSALS)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.SlugTaken("acme"), "The slug acme is taken by another tenant."),
        (errors.NotFailed(7, "ready"), "The partition of tenant 7 is ready, not failed."),
        (
            errors.NotRemoving(7, "it is not deleted"),
            "Tenant 7 cannot be called back: it is not deleted.",
        ),
        (errors.InvalidField("cursor", "must be new"), "Must be new."),
    ],
)
def test_a_refusal_names_what_it_is_about(error: DomainError, said: str) -> None:
    assert sentence(error) == said


@pytest.mark.parametrize("name", ["", "a\0b", "a\u200bb", "x" * 256])
def test_a_reason_at_the_name_is_known_when_it_is_refused(name: str) -> None:
    with pytest.raises(errors.InvalidField) as refused:
        checked_name(name)
    assert refused.value.template in REASONS


def test_a_reason_at_the_slug_is_known_when_it_is_refused() -> None:
    with pytest.raises(errors.InvalidField) as refused:
        check_slug("No Slug")
    assert refused.value.template in REASONS


def test_the_character_is_named_when_nobody_can_see_it() -> None:
    with pytest.raises(errors.InvalidField) as refused:
        checked_name("Acme\u202eevil")
    assert sentence(refused.value) == "Must not contain the invisible character U+202E."
