"""What the panel says when a use case refuses, in the language of the page."""

from flask_babel import gettext as _

from webapp.admin.wording.words import BADGES
from webapp.marking import N_
from webapp.tenants import errors
from webapp.tenants.errors import DomainError
from webapp.tenants.naming import MAX_NAME_LENGTH, MAX_SLUG_LENGTH

# Names in the sentences are attributes of the error.
REFUSALS: dict[type[DomainError], str] = {
    errors.SlugTaken: N_("The slug %(slug)s is taken by another tenant."),
    errors.TenantNotFound: N_("There is no tenant %(tenant_id)s."),
    errors.TenantDeleted: N_("Tenant %(tenant_id)s is deleted."),
    errors.NotRemoving: N_("Tenant %(tenant_id)s cannot be called back: %(reason)s."),
    errors.NoDeparture: N_("Tenant %(tenant_id)s is not departing and never did."),
    errors.NotForeign: N_(
        "The partition of tenant %(tenant_id)s did not fail for rows that may be somebody else's."
    ),
    errors.NotFailed: N_("The partition of tenant %(tenant_id)s is %(state)s, not failed."),
    errors.CountChanged: N_("%(found)s tenants would be taken now, not %(expected)s."),
}

# What the domain says of a value, or as a reason, and the sentence of the panel.
REASONS = {
    "must not be empty": N_("Must not be empty."),
    "must not hold control characters or lone surrogates": N_(
        "Must not hold control characters or lone surrogates."
    ),
    f"must have at most {MAX_NAME_LENGTH} characters": N_("Must have at most 255 characters."),
    "must be lower-case letters and digits, joined by single hyphens, "
    f"at most {MAX_SLUG_LENGTH} characters": N_(
        "Must be lower-case letters and digits, joined by single hyphens, at most 63 characters."
    ),
    "it is not deleted": N_("it is not deleted"),
    "its partition is being dropped, or is gone": N_("its partition is being dropped, or is gone"),
}


def sentence(error: DomainError) -> str:
    """A refusal as a sentence of its own; in English where nobody translated it."""
    if template := REFUSALS.get(type(error)):
        return str(_(template)) % _values(error)
    if reason := REASONS.get(str(error)):
        return str(_(reason))
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _values(error: DomainError) -> dict[str, object]:
    values = dict(vars(error))
    if (state := values.get("state")) in BADGES:
        values["state"] = BADGES[state].word
    if reason := REASONS.get(str(values.get("reason"))):
        values["reason"] = _(reason)
    return values
