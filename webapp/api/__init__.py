"""The JSON API: the same use cases as the panel, for programs."""

from apiflask import APIFlask

# Importing these modules registers their endpoints.
from webapp.api import (  # noqa: F401
    access,
    audit,
    bulk,
    docs,
    health,
    openapi,
    orphans,
    partitions,
    tenants,
)
from webapp.api.routing import TenantNumber, api


def init_app(app: APIFlask) -> None:
    """Mount the API below `/api/`. After `auth`, which determines the principal."""
    # Fields keep the order of the contract.
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.converters["tenant_id"] = TenantNumber
    openapi.init_app(app)
    app.register_blueprint(api)
