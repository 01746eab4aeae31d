"""The panel's words for actions, and for values before and after."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from webapp.admin.wording.labels import BADGES, CAUSES, ROLES
from webapp.admin.wording.units import number
from webapp.auth.login_failures import Outcome
from webapp.auth.roles import Role
from webapp.models.audit import Via
from webapp.models.causes import Cause
from webapp.models.states import OrphanOutcome, TenantState

ACTIONS = {
    "tenant.create": _l("Tenant added"),
    "tenant.rename": _l("Tenant renamed"),
    "tenant.delete": _l("Tenant deleted"),
    "tenant.restore": _l("Tenant called back"),
    "tenant.retry": _l("Retry asked for"),
    "tenant.adopt": _l("Pre-existing rows adopted"),
    "tenant.empty": _l("Pre-existing rows destroyed"),
    "tenant.acknowledge": _l("Possible loss of rows acknowledged"),
    "tenants.create_many": _l("Many tenants added"),
    "tenants.import": _l("Imported tenants taken over"),
    "operation.retry": _l("Retry of many"),
    "operation.request": _l("Partitions of many requested"),
    "operation.delete": _l("Many tenants deleted"),
    "operation.restore": _l("Many tenants called back"),
    "operation.acknowledge": _l("Possible loss of rows of many acknowledged"),
    "upload.create": _l("File uploaded"),
    "upload.confirm": _l("Import of a file begun"),
    "upload.discard": _l("Uploaded file thrown away"),
    "provisioning.pause": _l("Provisioning paused"),
    "provisioning.resume": _l("Provisioning resumed"),
    "partitions.retry": _l("Retry of all that failed"),
    "partitions.backfill": _l("Backfill"),
    "partitions.check_isolation": _l("Check of the isolation asked for"),
    "partitions.repair": _l("Repair of drift"),
    "partitions.accept_moved": _l("Acceptance of a moved alias"),
    "orphan.count": _l("Count of an orphan asked for"),
    "orphan.adopt": _l("Tenant made of an orphan"),
    "orphan.acknowledge": _l("Orphan acknowledged"),
    "orphan.take_back": _l("Acknowledgement taken back"),
    "orphan.drop": _l("Drop of an orphan asked for"),
    "orphan.dropped": _l("Orphan dropped"),
    "orphan.not_dropped": _l("Orphan not dropped"),
    "brake.make_again": _l("Missing partitions made again, collection accepted"),
    "brake.wait": _l("Brake seen, to wait"),
    "database.acknowledge_restore": _l("Restore of the database acknowledged"),
    "user.create": _l("User added"),
    "user.change": _l("User changed"),
    "user.login": _l("Logged in"),
    "user.logout": _l("Logged out"),
    "user.login_failed": _l("Login failed"),
    "user.erase": _l("User erased"),
    "token.create": _l("Token made"),
    "token.revoke": _l("Token revoked"),
    "export.tenants": _l("Tenants exported"),
    "export.audit": _l("Audit exported"),
    "audit.prune": _l("Old audit entries pruned"),
    "job.requeue": _l("Job queued again"),
    "job.delete": _l("Job deleted"),
}

ICONS = {
    "tenant": "tenants",
    "tenants": "tenants",
    "operation": "operations",
    "upload": "upload",
    "provisioning": "pause",
    "partitions": "partitions",
    "orphan": "drift",
    "brake": "drift",
    "database": "store",
    "user": "user",
    "user.login": "logout",
    "user.logout": "logout",
    "user.login_failed": "logout",
    "export": "download",
    "job": "queue",
}

INTERFACES = {
    Via.PANEL: _l("Panel"),
    Via.API: _l("API"),
    Via.CLI: _l("Command line"),
    Via.QUEUE: _l("Job queue"),
}

FIELDS = {
    "name": _l("Name"),
    "slug": _l("Slug"),
    "status": _l("State"),
    "cause": _l("Cause"),
    "error": _l("Error"),
    "role": _l("Role"),
    "active": _l("May log in"),
    "password": _l("Password"),
    "tenants": _l("Tenants"),
    "first": _l("First number"),
    "last": _l("Last number"),
    "refused": _l("Refused"),
    "adopting": _l("With their rows"),
    "missing": _l("Missing"),
    "resurrected": _l("Came back"),
    "paused": _l("Paused"),
    "reason": _l("Reason"),
    "selection": _l("Selection"),
    "skipped": _l("Skipped"),
    "filter": _l("Filter"),
    "partition": _l("Partition"),
    "collection": _l("Collection"),
    "result": _l("Result"),
    "real_collection": _l("Collection by its own name"),
    "counted_at": _l("Counted"),
    "message": _l("Message"),
    "if_exists": _l("Rows that are there"),
    "jobs": _l("Jobs"),
    "state": _l("State"),
    "q": _l("Search"),
    "file": _l("File"),
    "rows": _l("Rows"),
    "new": _l("New"),
    "unchanged": _l("Unchanged"),
    "invalid": _l("Invalid"),
    "created": _l("Created"),
    "outcome": _l("Why"),
    "entries": _l("Entries"),
    "until": _l("Older than"),
    "gone": _l("Gone"),
    "proven": _l("Of"),
    "rows_lost_at": _l("Rows may be lost since"),
    "attempts": _l("Failed logins from this address within the hour"),
}

VALUES = {
    **{str(state): badge.word for state, badge in BADGES.items()},
    TenantState.ACTIVE: _l("active"),
    TenantState.DELETED: _l("deleted"),
    **{str(cause): CAUSES[cause] for cause in Cause},
    **{str(role): ROLES[role] for role in Role},
    "changed": _l("changed"),
    OrphanOutcome.DROPPED: _l("dropped"),
    OrphanOutcome.ABSENT: _l("was gone"),
    OrphanOutcome.REFUSED: _l("refused"),
    OrphanOutcome.FAILED: _l("failed"),
    Outcome.UNKNOWN_USER: _l("there is no such user"),
    Outcome.WRONG_PASSWORD: _l("the password is wrong"),
    Outcome.DEACTIVATED: _l("the user is deactivated"),
    Outcome.INCOMPLETE: _l("no usable address or no password"),
    Outcome.LIMITED: _l("too many attempts"),
}
# Fields whose values are translated; user input is shown as it is.
WORDED = frozenset({"status", "state", "cause", "role", "password", "outcome", "result"})
# Tenant numbers, which are not grouped.
NUMBERED = frozenset({"first", "last"})


@dataclass(frozen=True)
class Change:
    """The change of one value; None where it was missing before, or is after."""

    field: str
    before: str | None
    after: str | None


def action_word(action: str) -> str:
    return str(ACTIONS.get(action, action))


def action_icon(action: str) -> str:
    return ICONS.get(action) or ICONS.get(action.partition(".")[0], "audit")


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """The changed values; those that stayed are left out."""
    for field in {**before, **after}:
        was, is_now = _describe(field, before.get(field)), _describe(field, after.get(field))
        if was != is_now:
            yield Change(_field_word(field), was, is_now)


def _field_word(field: str) -> str:
    return str(FIELDS.get(field, field.replace("_", " ")))


def _describe(field: str, value: Any) -> str | None:
    if value is None or value in ({}, []):
        return None
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, int):
        return str(value) if field in NUMBERED else number(value)
    if isinstance(value, Mapping):
        parts = ((_field_word(name), _describe(name, each)) for name, each in value.items() if each)
        return ", ".join(f"{word}: {description}" for word, description in parts)
    if isinstance(value, list):
        return ", ".join(str(_describe(field, each)) for each in value)
    return str(VALUES.get(value, value) if field in WORDED else value)
