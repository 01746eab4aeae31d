"""How a tenant's number stands in an address: anything else is not found, never an error."""

from apiflask import APIBlueprint
from werkzeug.routing import BaseConverter

from webapp.models.naming import MAX_TENANT_ID


class TenantNumber(BaseConverter):
    """A number that a tenant can have, written in the one usual way: no sign, no zero in front."""

    # The limit is a power of ten, and stands in the pattern: a number that is refused only after
    # the address has matched would be answered with 405 where the address has other methods.
    regex = rf"[1-9][0-9]{{0,{len(str(MAX_TENANT_ID)) - 2}}}|{MAX_TENANT_ID}"

    def to_python(self, value: str) -> int:
        """The number."""
        return int(value)

    def to_url(self, value: int) -> str:
        """The number as it stands in an address."""
        return str(value)


api = APIBlueprint("api", __name__, url_prefix="/api")
