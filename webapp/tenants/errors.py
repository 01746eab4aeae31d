"""What a use case refuses: one root exception, each with the stable code that the API shows."""


class DomainError(Exception):
    """A request that cannot be fulfilled as it stands. The message is meant for its maker."""

    code = "error"


class InvalidField(DomainError):
    """A value is unusable; `field` names it, the message says what would be accepted."""

    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class SlugTaken(DomainError):
    """Another tenant has this slug."""

    code = "slug_taken"
    field = "slug"

    def __init__(self, slug: str) -> None:
        super().__init__(f"the slug {slug} is taken by another tenant")


class TenantNotFound(DomainError):
    """There is no tenant with this number."""

    code = "not_found"

    def __init__(self, tenant_id: int) -> None:
        super().__init__(f"there is no tenant {tenant_id}")


class TenantDeleted(DomainError):
    """The tenant is deleted and cannot be changed any more."""

    code = "tenant_deleted"

    def __init__(self, tenant_id: int) -> None:
        super().__init__(f"tenant {tenant_id} is deleted")


class NotRemoving(DomainError):
    """Only a deleted tenant can be called back, and only until its drop begins."""

    code = "not_removing"

    def __init__(self, tenant_id: int, state: str) -> None:
        super().__init__(f"tenant {tenant_id} cannot be called back: {state}")


class NoDeparture(DomainError):
    """Nobody deleted the tenant, or it was called back."""

    code = "not_found"

    def __init__(self, tenant_id: int) -> None:
        super().__init__(f"tenant {tenant_id} is not departing and never did")


class NotFailed(DomainError):
    """Only a failed partition can be tried again."""

    code = "not_failed"

    def __init__(self, tenant_id: int, state: str) -> None:
        super().__init__(f"the partition of tenant {tenant_id} is {state}, not failed")
