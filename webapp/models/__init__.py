"""The tables and their vocabulary. Importing this registers all tables of the domain."""

from webapp.models import (  # noqa: F401
    audit,
    condition,
    control,
    csv_import,
    idempotency,
    observed,
    operation,
    orphan,
    partition,
    process,
    retention,
    statistics,
    tenant,
)
