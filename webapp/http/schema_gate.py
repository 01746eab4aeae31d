"""Until the schema is that of this release, every request is 503 with the reason."""

from flask import Flask, request

from webapp.db.schema_revision import Schema, SchemaState
from webapp.logs import get_logger

# They say what is so, and need no table.
OPEN = frozenset({"static", "admin.static", "health.healthz", "health.readyz"})

log = get_logger("paratia.schema")


def init_app(app: Flask, schema: Schema) -> None:
    """Ask before anything else of a request does. Once the schema serves, that costs nothing."""
    is_told = False

    def require_schema() -> None:
        nonlocal is_told
        if request.endpoint in OPEN:
            return
        revision = schema.require()
        if revision.state is SchemaState.AHEAD and not is_told:
            is_told = True
            log.warning("schema.ahead", message=revision.sentence)

    app.before_request(require_schema)
