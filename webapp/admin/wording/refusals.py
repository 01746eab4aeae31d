"""Refusals of use cases, in the language of the page."""

from flask_babel import gettext as _

from webapp import errors
from webapp.admin.wording.labels import BADGES
from webapp.errors import DomainError, InvalidField
from webapp.texts import N_, SENTENCES, TextFault

# Placeholders are attributes of the error.
REFUSALS: dict[type[DomainError], str] = {
    errors.SlugTaken: N_("The slug %(slug)s is taken by another tenant."),
    errors.TenantNotFound: N_("There is no tenant %(tenant_id)s."),
    errors.TenantDeleted: N_("Tenant %(tenant_id)s is deleted."),
    errors.NotRemoving: N_("Tenant %(tenant_id)s cannot be called back: %(reason)s."),
    errors.NoDeparture: N_("Tenant %(tenant_id)s was never deleted, or was called back."),
    errors.NotForeign: N_(
        "The partition of tenant %(tenant_id)s did not fail because of foreign data."
    ),
    errors.NotFailed: N_("The partition of tenant %(tenant_id)s is %(state)s, not failed."),
    errors.CountChanged: N_("%(found)s tenants would be taken now, not %(expected)s."),
}

# The domain's messages and reasons, with the panel's sentences.
REASONS = {
    SENTENCES[TextFault.EMPTY]: N_("Must not be empty."),
    SENTENCES[TextFault.UNPRINTABLE]: N_("Must not contain control characters."),
    SENTENCES[TextFault.INVISIBLE]: N_("Must not contain the invisible character %(character)s."),
    SENTENCES[TextFault.TOO_LONG]: N_("Must have at most %(most)s characters."),
    "must be lower-case letters and digits, joined by single hyphens, "
    "at most %(most)s characters": N_(
        "Must be lower-case letters and digits, joined by single hyphens, "
        "at most %(most)s characters."
    ),
    "it is not deleted": N_("it is not deleted"),
    "its partition is being dropped, or is gone": N_("its partition is being dropped, or is gone"),
}


def sentence(error: DomainError) -> str:
    """The refusal as a sentence; in English where it has no translation."""
    if template := REFUSALS.get(type(error)):
        return str(_(template)) % _values(error)
    if isinstance(error, InvalidField) and error.template in REASONS:
        return str(_(REASONS[error.template])) % error.values
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _values(error: DomainError) -> dict[str, object]:
    values = dict(vars(error))
    if (state := values.get("state")) in BADGES:
        values["state"] = BADGES[state].word
    if reason := REASONS.get(str(values.get("reason"))):
        values["reason"] = _(reason)
    return values
