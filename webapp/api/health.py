"""The endpoint of the conditions of the installation."""

from flask import current_app
from sqlalchemy.orm import Session

from webapp import current
from webapp.api import schemas_out
from webapp.api.examples import HEALTH
from webapp.api.routing import api
from webapp.conditions.condition import worst
from webapp.conditions.judgement import present_conditions
from webapp.conditions.watch import own_view
from webapp.conditions.words import serialize
from webapp.db.types import utc_now
from webapp.processes.liveness import processes


@api.get("/health")
@api.output(schemas_out.Health, example=HEALTH)
@api.doc(operation_id="get_health", tags=["Health"])
def health() -> schemas_out.Health:
    """Show the conditions of the installation

    Everything that is not as it should be, the gravest first, and the processes that work, by
    stored observations. An observation that is too old is itself a condition.
    """
    return current.database().read(_health)


def _health(session: Session) -> schemas_out.Health:
    own = own_view(current_app.extensions)
    found = present_conditions(session, current.settings(), own)
    seen = processes(session)
    return schemas_out.Health.model_validate(
        {
            "status": worst(found) or "ok",
            "at": utc_now(),
            "conditions": [serialize(each) for each in found],
            "processes": [*seen.alive, *seen.silent],
        }
    )
