"""The page of the audit, and the same entries as a file."""

import json
from dataclasses import asdict, replace
from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue

from webapp import current
from webapp.admin.audit.filters import SPANS, AuditChoice, read_choice
from webapp.admin.audit.labels import ACTIONS, INTERFACES, action_icon, action_word, changes
from webapp.admin.base import Page, expose, reading
from webapp.admin.lists.export import sheet
from webapp.audit import log as audit
from webapp.audit.search import WINDOW, Entry, every, search
from webapp.auth.roles import Role
from webapp.db.safe_methods import Note
from webapp.db.types import utc_now
from webapp.texts import whole_number

PAGE_SIZE = 50
# The pages of targets, by kind.
PAGES = {"operation": "operations.show", "upload": "uploads.show"}
COLUMNS = (
    *("id", "at", "actor", "via", "address", "action", "tenant_id", "tenant", "target"),
    *("before", "after", "request_id"),
)


class AuditView(Page):
    """All audit entries, with addresses: not for viewers."""

    reads = frozenset({"index", "export"})
    reader = Role.OPERATOR
    nav = "audit"

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The entries that match the address, newest first."""
        choice = read_choice(request.args)
        found = search(reading(), choice.filter(), PAGE_SIZE, choice.before or None)
        return self.render(
            "admin/audit/index.html",
            choice=choice,
            found=found,
            spans=SPANS,
            actions=ACTIONS,
            interfaces=INTERFACES,
            window=WINDOW,
            action_word=action_word,
            action_icon=action_icon,
            changes=changes,
            target_url=_target_url,
        )

    @expose("/export.csv")
    def export(self) -> ResponseReturnValue:
        """All entries that match the address, as a file; the export is recorded."""
        choice = read_choice(request.args)
        audit_filter = choice.filter()
        # Leaves out the entry of this export.
        audit_filter = replace(audit_filter, until=audit_filter.until or utc_now())
        after = {"filter": _filter_values(choice)}
        with current.database().note(Note.EXPORTED) as session:
            audit.record(session, actor=current.actor(), action="export.audit", after=after)
        runs = every(current.database(), audit_filter)
        cells = ((_cells(entry) for entry in run) for run in runs)
        return sheet("audit", COLUMNS, cells)


def _filter_values(choice: AuditChoice) -> dict[str, Any]:
    values = {name: value for name, value in asdict(choice).items() if value}
    return {name: value for name, value in values.items() if name != "before"}


def _cells(entry: Entry) -> list[Any]:
    cells = asdict(entry) | {"at": entry.at.isoformat()}
    for name in ("before", "after"):
        cells[name] = json.dumps(cells[name], ensure_ascii=False) if cells[name] else None
    return [cells[name] for name in COLUMNS]


def _target_url(target: str) -> str | None:
    kind, _space, number = target.partition(" ")
    if kind not in PAGES or whole_number(number) is None:
        return None
    return url_for(PAGES[kind], id=number)
