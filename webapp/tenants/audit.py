"""The audit: who did what to a tenant, written with the deed and never changed."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from webapp.logs import get_logger
from webapp.tenants.actors import Actor
from webapp.tenants.records import AuditEntry

log = get_logger("paratia.audit")


@dataclass(frozen=True)
class Deed:
    """What somebody did, with what was before it and what after; both without secrets."""

    actor: Actor
    action: str
    tenant_id: int | None
    before: dict[str, Any]
    after: dict[str, Any]
    target: str | None = None


def write(
    session: Session,
    *,
    actor: Actor,
    action: str,
    tenant_id: int | None = None,
    target: str | None = None,
    before: dict[str, Any],
    after: dict[str, Any],
) -> Deed:
    """Add an entry within the transaction that does the deed; announce it after the commit.

    The target is what it was done to, where that is no tenant.
    """
    deed = Deed(actor, action, tenant_id, before, after, target)
    session.add(
        AuditEntry(
            actor=actor.name,
            via=actor.via,
            address=actor.address,
            action=action,
            tenant_id=tenant_id,
            target=target,
            before=_text(before),
            after=_text(after),
            request_id=actor.request_id,
        )
    )
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
        before=deed.before,
        after=deed.after,
        request_id=deed.actor.request_id,
    )


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)
