"""The endpoint that reads the audit."""

from webapp import current
from webapp.api import incoming, outgoing
from webapp.api.blueprint import api
from webapp.api.examples import AUDIT_ENTRY
from webapp.auth.guard import requires
from webapp.auth.roles import Role
from webapp.tenants.audit_trail import AuditFilter, search


@api.get("/audit")
@requires(Role.OPERATOR)
@api.input(incoming.AuditQuery, location="query", arg_name="query")
@api.output(outgoing.AuditPage, example={"items": [AUDIT_ENTRY], "next_cursor": "118"})
@api.doc(operation_id="list_audit", tags=["Audit"])
def audit(query: incoming.AuditQuery) -> outgoing.AuditPage:
    """List who did what

    Takes the role `operator`, since entries say from which address people came. Newest first.
    Entries are only ever added, so pages neither hide nor repeat any.
    """
    wanted = AuditFilter(
        actor=query.actor,
        action=query.action,
        tenant_id=query.tenant_id,
        via=query.via,
        text=query.q,
        request_id=query.request_id,
        since=query.since,
        until=query.until,
    )
    with current.database().reading() as session:
        found = search(session, wanted, query.limit, query.cursor)
    return outgoing.AuditPage.of(found)
