"""How a tenant's number stands in an address: anything else is not found, never an error."""

from werkzeug.routing import BaseConverter, ValidationError

from webapp.tenants.naming import MAX_TENANT_ID


class TenantNumber(BaseConverter):
    """A number that a tenant can have, written in the one usual way: no sign, no zero in front."""

    regex = r"[1-9][0-9]{0,15}"

    def to_python(self, value: str) -> int:
        """The number; what is larger than any tenant's matches no address."""
        number = int(value)
        if number > MAX_TENANT_ID:
            raise ValidationError
        return number

    def to_url(self, value: int) -> str:
        """The number as it stands in an address."""
        return str(value)
