"""Audit entries: written in the transaction of the change."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert

from webapp.db.session import UnitOfWork
from webapp.logs import get_logger
from webapp.models.audit import Actor, AuditEntry

MAX_TARGET_LENGTH = 255

log = get_logger("paratia.audit")

Values = Mapping[str, Any]
NOTHING: Values = {}


def record(
    session: UnitOfWork,
    *,
    actor: Actor,
    action: str,
    tenant_id: int | None = None,
    target: str | None = None,
    before: Values = NOTHING,
    after: Values = NOTHING,
) -> int:
    """Add an entry in the transaction of the change; it is logged after the commit. One statement.

    The object is a tenant, whose row must exist, or the target, with its kind and its name or
    number: `user ops@example.com`, `operation 7`. `before` and `after` must hold no secrets.
    Returns the entry's number.
    """
    row = {
        **actor.columns,
        "action": action,
        "tenant_id": tenant_id,
        "target": target and target[:MAX_TARGET_LENGTH],
    }
    values = {"before": _text(before), "after": _text(after)}
    entry_id = session.scalars(insert(AuditEntry).returning(AuditEntry.id), [row | values]).one()
    session.after_commit(
        lambda: log.info("audit", **row, before=before or None, after=after or None)
    )
    return entry_id


def _text(values: Values) -> str | None:
    return json.dumps(values, ensure_ascii=False, default=str) if values else None
