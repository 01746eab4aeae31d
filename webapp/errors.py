"""What a use case refuses: one root exception, and the stable code of each refusal."""


class DomainError(Exception):
    """A request that cannot be fulfilled. The message is shown to the caller."""

    code = "error"


class InvalidField(DomainError):
    """The value of `field` is unusable; `template` with `values` is the message, to translate."""

    code = "invalid"

    def __init__(self, field: str, template: str, **values: object) -> None:
        super().__init__(template % values if values else template)
        self.field = field
        self.template = template
        self.values = values


class InvalidRow(DomainError):
    """A body, or one row of many, is unusable; `errors` says per field what is accepted."""

    code = "invalid"

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(f"Not usable: {', '.join(errors)}.")
        self.errors = errors


class SlugTaken(DomainError):
    """Another tenant has this slug."""

    code = "slug_taken"
    field = "slug"

    def __init__(self, slug: str) -> None:
        super().__init__(f"the slug {slug} is taken by another tenant")
        self.slug = slug


class TenantNotFound(DomainError):
    """No tenant has this number."""

    code = "not_found"

    def __init__(self, tenant_id: int) -> None:
        super().__init__(f"there is no tenant {tenant_id}")
        self.tenant_id = tenant_id


class TenantDeleted(DomainError):
    """A deleted tenant cannot be changed."""

    code = "tenant_deleted"

    def __init__(self, tenant_id: int) -> None:
        super().__init__(f"tenant {tenant_id} is deleted")
        self.tenant_id = tenant_id


class NotRemoving(DomainError):
    """A tenant can be called back only when deleted, and until its drop begins."""

    code = "not_removing"

    def __init__(self, tenant_id: int, reason: str) -> None:
        super().__init__(f"tenant {tenant_id} cannot be called back: {reason}")
        self.tenant_id = tenant_id
        self.reason = reason


class NoDeparture(DomainError):
    """The tenant was never deleted, or was called back."""

    code = "not_found"

    def __init__(self, tenant_id: int) -> None:
        super().__init__(f"tenant {tenant_id} was never deleted, or was called back")
        self.tenant_id = tenant_id


class KeyMismatch(DomainError):
    """The idempotency key was used before, for another request."""

    code = "idempotency_mismatch"

    def __init__(self) -> None:
        super().__init__(
            "this Idempotency-Key came before with another request; take a new one for each action"
        )


class KeyInUse(DomainError):
    """The first request with this idempotency key is still under way."""

    code = "idempotency_in_progress"

    def __init__(self) -> None:
        super().__init__(
            "the first request with this Idempotency-Key is still under way; repeat it in a moment"
        )


class NotForeign(DomainError):
    """Only a partition that failed because of foreign data can be adopted or emptied."""

    code = "not_foreign"

    def __init__(self, tenant_id: int) -> None:
        super().__init__(
            f"the partition of tenant {tenant_id} did not fail because of foreign data"
        )
        self.tenant_id = tenant_id


class NotFailed(DomainError):
    """Only a failed partition can be retried."""

    code = "not_failed"

    def __init__(self, tenant_id: int, state: str) -> None:
        super().__init__(f"the partition of tenant {tenant_id} is {state}, not failed")
        self.tenant_id = tenant_id
        self.state = state


class CountChanged(DomainError):
    """The number of matching tenants is no longer the one that was confirmed."""

    code = "count_changed"

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"{found} tenants would be taken now, not {expected}")
        self.expected = expected
        self.found = found
