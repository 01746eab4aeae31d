"""The audit: who did what, written with the deed and never changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from webapp.db.safe_methods import Note
from webapp.db.session import Database
from webapp.logs import get_logger
from webapp.models.audit import Actor, AuditEntry

MAX_TARGET_LENGTH = 255

log = get_logger("paratia.audit")

Values = Mapping[str, Any]
NOTHING: Values = {}


@dataclass(frozen=True)
class Deed:
    """What somebody did, with what was before it and what after; both without secrets.

    It is done to a tenant, or to the target, which says its kind and its name or number:
    `user ops@example.com`, `operation 7`.
    """

    actor: Actor
    action: str
    tenant_id: int | None
    target: str | None
    before: Values
    after: Values


def write(
    session: Session,
    *,
    actor: Actor,
    action: str,
    tenant_id: int | None = None,
    target: str | None = None,
    before: Values = NOTHING,
    after: Values = NOTHING,
) -> Deed:
    """Add an entry within the transaction that does the deed; announce it after the commit.

    One statement. The tenant's row has to be there.
    """
    deed = Deed(actor, action, tenant_id, target and target[:MAX_TARGET_LENGTH], before, after)
    row = {
        "actor": actor.name,
        "via": actor.via,
        "address": actor.address,
        "action": action,
        "tenant_id": tenant_id,
        "target": deed.target,
        "before": _text(before),
        "after": _text(after),
        "request_id": actor.request_id,
    }
    session.execute(insert(AuditEntry), [row])
    return deed


def announce(deed: Deed) -> None:
    """Log the deed; called after the commit, so that no line tells of what was undone."""
    log.info(
        "audit",
        actor=deed.actor.name,
        via=deed.actor.via,
        address=deed.actor.address,
        action=deed.action,
        tenant_id=deed.tenant_id,
        target=deed.target,
        before=deed.before or None,
        after=deed.after or None,
        request_id=deed.actor.request_id,
    )


class Audit:
    """Takes down deeds that no transaction of ours does: exports, and what is done to Redis."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write_now(
        self,
        *,
        actor: Actor,
        action: str,
        tenant_id: int | None = None,
        target: str | None = None,
        before: Values = NOTHING,
        after: Values = NOTHING,
        note: Note | None = None,
    ) -> None:
        """Add an entry in a transaction of its own, and announce it.

        With `note` it may also be added by a safe request, of which it tells that it read.
        """
        database = self._database
        with database.note(note) if note else database.transaction() as session:
            deed = write(
                session,
                actor=actor,
                action=action,
                tenant_id=tenant_id,
                target=target,
                before=before,
                after=after,
            )
        announce(deed)


def _text(values: Values) -> str | None:
    return json.dumps(values, ensure_ascii=False, default=str) if values else None
