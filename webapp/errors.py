"""What a use case refuses: one root exception, and the stable code of each refusal."""

from dataclasses import dataclass
from typing import Any

from webapp.texts import N_, clause, whole_number

UNUSABLE_CURSOR = "Must be the next_cursor of an earlier answer."


class DomainError(Exception):
    """A request that cannot be fulfilled.

    `template` with `values` is the sentence for a page, to translate. Other callers are shown the
    error itself, which says the same as a clause.
    """

    code = "error"
    template = ""

    @property
    def values(self) -> dict[str, Any]:
        return vars(self)

    def __str__(self) -> str:
        return clause(self.template) % self.values


class InvalidField(DomainError):
    """The value of `field` is unusable; the sentence says what is accepted."""

    code = "invalid"
    values: dict[str, Any] = {}

    def __init__(self, field: str, template: str, **values: object) -> None:
        self.field = field
        self.template = template
        self.values = values


def cursor_number(cursor: str) -> int:
    """The number in the cursor of a list; raises InvalidField for a text that is none."""
    number = whole_number(cursor)
    if number is None:
        raise InvalidField("cursor", UNUSABLE_CURSOR)
    return number


@dataclass(eq=False)
class InvalidRow(DomainError):
    """A body, or one row of many, is unusable; `errors` says per field what is accepted."""

    errors: dict[str, list[str]]
    code = "invalid"

    def __str__(self) -> str:
        return f"Not usable: {', '.join(self.errors)}."


@dataclass(eq=False)
class SlugTaken(DomainError):
    """Another tenant has this slug."""

    slug: str
    code = "slug_taken"
    field = "slug"
    template = N_("The slug %(slug)s is taken by another tenant.")


@dataclass(eq=False)
class TenantNotFound(DomainError):
    """No tenant has this number."""

    tenant_id: int
    code = "not_found"
    template = N_("There is no tenant %(tenant_id)s.")


@dataclass(eq=False)
class TenantDeleted(DomainError):
    """A deleted tenant cannot be changed."""

    tenant_id: int
    code = "tenant_deleted"
    template = N_("Tenant %(tenant_id)s is deleted.")


@dataclass(eq=False)
class NotRemoving(DomainError):
    """A tenant can be called back only when deleted, and until its drop begins."""

    tenant_id: int
    reason: str
    code = "not_removing"
    template = N_("Tenant %(tenant_id)s cannot be called back: %(reason)s.")


@dataclass(eq=False)
class NoDeparture(DomainError):
    """The tenant was never deleted, or was called back."""

    tenant_id: int
    code = "not_found"
    template = N_("Tenant %(tenant_id)s was never deleted, or was called back.")


class KeyMismatch(DomainError):
    """The idempotency key was used before, for another request."""

    code = "idempotency_mismatch"
    template = (
        "This Idempotency-Key came before with another request; take a new one for each action."
    )


class KeyInUse(DomainError):
    """The first request with this idempotency key is still under way."""

    code = "idempotency_in_progress"
    template = (
        "The first request with this Idempotency-Key is still under way; repeat it in a moment."
    )


@dataclass(eq=False)
class NotForeign(DomainError):
    """Only a partition that failed because of foreign data can be adopted or emptied."""

    tenant_id: int
    code = "not_foreign"
    template = N_("The partition of tenant %(tenant_id)s did not fail because of foreign data.")


@dataclass(eq=False)
class OrphanNotFound(DomainError):
    """The last comparison found no such orphan."""

    collection: str
    partition: str
    code = "not_found"
    template = N_("The last comparison found no orphan %(partition)s in %(collection)s.")


@dataclass(eq=False)
class OrphanBusy(DomainError):
    """An earlier request about the orphan is not finished."""

    partition: str
    code = "orphan_busy"
    template = N_("An earlier request about %(partition)s is not finished.")


@dataclass(eq=False)
class NotAdoptable(DomainError):
    """No tenant can be made of this orphan."""

    partition: str
    reason: str
    code = "not_adoptable"
    template = N_("%(partition)s cannot be adopted: %(reason)s.")


@dataclass(eq=False)
class NotDroppable(DomainError):
    """The orphan may not be dropped now."""

    partition: str
    reason: str
    code = "not_droppable"
    template = N_("%(partition)s is not dropped: %(reason)s.")


@dataclass(eq=False)
class BeingDropped(DomainError):
    """A tenant's number is refused while the partition of its name is being dropped."""

    partition: str
    code = "being_dropped"
    template = N_("%(partition)s is being dropped; its number is free once that is over.")


@dataclass(eq=False)
class NotFailed(DomainError):
    """Only a failed partition can be retried."""

    tenant_id: int
    state: str
    code = "not_failed"
    template = N_("The partition of tenant %(tenant_id)s is %(state)s, not failed.")


@dataclass(eq=False)
class NothingLost(DomainError):
    """Only a ready partition that was lost and made again can be acknowledged."""

    tenant_id: int
    code = "nothing_lost"
    template = N_("The partition of tenant %(tenant_id)s is not ready, or has lost no rows.")


class DatabaseRestored(DomainError):
    """No number is drawn before this database was compared with Milvus; `look` is what was seen."""

    code = "database_restored"
    values: dict[str, Any] = {}
    template = N_(
        "The database was restored from a backup. No tenant is created before it was compared "
        "with Milvus, so that none gets the number and the partition of a later one; this goes on "
        "by itself as soon as Milvus answers."
    )

    def __init__(self, look: object) -> None:
        super().__init__(look)
        self.look = look


class NotRestored(DomainError):
    """Nothing is held back by a restore of the database."""

    code = "not_restored"
    values: dict[str, Any] = {}
    template = N_("Nothing is held back by a restore of the database.")


@dataclass(eq=False)
class NotBraked(DomainError):
    """No brake is on in this collection, so there is nothing to decide."""

    collection: str
    code = "not_braked"
    template = N_("Nothing is held back in the collection %(collection)s.")


@dataclass(eq=False)
class CollectionIsMissing(DomainError):
    """The collection does not exist in Milvus, so no partition can be made in it."""

    collection: str
    code = "collection_missing"
    template = N_(
        "There is no collection %(collection)s in Milvus: find out where it went. It is created "
        "anew only when its rows are given up; decide again after that."
    )


@dataclass(eq=False)
class CountChanged(DomainError):
    """The number of matching tenants is no longer the one that was confirmed."""

    expected: int
    found: int
    code = "count_changed"
    template = N_("%(found)s tenants would be taken now, not %(expected)s.")
