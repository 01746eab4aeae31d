"""The panel has a sentence of its own for every refusal that it can meet."""

import pytest

from webapp import errors
from webapp.admin.wording.refusals import sentence
from webapp.errors import DomainError
from webapp.models.naming import clean_name, clean_slug
from webapp.tenants.service import checked

# Fields say their reasons themselves; keys of repeats are for the API alone.
ELSEWHERE = {errors.InvalidField, errors.InvalidRow, errors.KeyMismatch, errors.KeyInUse}


pytestmark = pytest.mark.usefixtures("speaking")


def test_every_refusal_has_its_sentence() -> None:
    known = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    refusals = {kind for kind in known if issubclass(kind, DomainError) and kind is not DomainError}
    assert all(kind.template for kind in refusals - ELSEWHERE)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.SlugTaken("acme"), "The slug acme is taken by another tenant."),
        (errors.NotFailed(7, "ready"), "The partition of tenant 7 is ready, not failed."),
        (
            errors.NotRemoving(7, "it is not deleted"),
            "Tenant 7 cannot be called back: it is not deleted.",
        ),
        (errors.InvalidField("cursor", "Must be new."), "Must be new."),
    ],
)
def test_a_refusal_names_what_it_is_about(error: DomainError, said: str) -> None:
    assert sentence(error) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Must not be empty."),
        ("a\0b", "Must not contain control characters."),
        ("a\u200bb", "Must not contain the invisible character U+200B."),
        ("x" * 256, "Must have at most 255 characters."),
    ],
)
def test_a_reason_at_the_name_is_said_when_it_is_refused(name: str, said: str) -> None:
    with pytest.raises(errors.InvalidField) as refused:
        checked("name", clean_name, name)
    assert sentence(refused.value) == said


def test_a_reason_at_the_slug_is_said_when_it_is_refused() -> None:
    with pytest.raises(errors.InvalidField) as refused:
        checked("slug", clean_slug, "No Slug")
    assert sentence(refused.value).startswith("Must be lower-case letters and digits")
