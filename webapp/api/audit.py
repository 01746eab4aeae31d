"""The endpoint that reads the audit."""

from webapp import current
from webapp.api import schemas_in, schemas_out
from webapp.api.examples import AUDIT_ENTRY
from webapp.api.routing import api
from webapp.audit.search import AuditFilter, search


@api.get("/audit")
@api.input(schemas_in.AuditQuery, location="query", arg_name="query")
@api.output(schemas_out.AuditPage, example={"items": [AUDIT_ENTRY], "next_cursor": "118"})
@api.doc(operation_id="list_audit", tags=["Audit"])
def audit(query: schemas_in.AuditQuery) -> schemas_out.AuditPage:
    """List who did what

    Takes the role `operator`, since entries say from which address people came. Newest first.
    Entries are added, and old ones pruned, so pages neither hide nor repeat any.
    """
    criteria = query.model_dump(exclude={"q", "limit", "cursor"})
    page = current.database().read(
        search, AuditFilter(text=query.q, **criteria), query.limit, query.cursor
    )
    return schemas_out.AuditPage.of(page)
