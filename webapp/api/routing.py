"""A tenant's number in an address; anything else is 404."""

from apiflask import APIBlueprint
from werkzeug.routing import BaseConverter

from webapp.models.naming import MAX_TENANT_ID


class TenantNumber(BaseConverter):
    """A number that a tenant can have, in its usual form: no sign, no leading zero."""

    # The limit, a power of ten, is in the pattern: a number refused after the address has matched
    # would give 405 where the address has other methods.
    regex = rf"[1-9][0-9]{{0,{len(str(MAX_TENANT_ID)) - 2}}}|{MAX_TENANT_ID}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


# Most endpoints are of tenants; others name their tag.
api = APIBlueprint("api", __name__, url_prefix="/api", tag="Tenants")
