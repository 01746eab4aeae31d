"""Tenants in the state that a test wants, and a look at what became of them."""

from apiflask import APIFlask
from sqlalchemy import update

from tests.access import Visitor, database_of
from tests.factories import ACTOR
from webapp import current
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant


def add_tenant(app: APIFlask, name: str = "Acme") -> int:
    """A tenant whose partition is asked for; returns its number."""
    with app.app_context():
        return current.tenants().create(name, actor=ACTOR).id


def add_failed(app: APIFlask, name: str = "Acme", cause: Cause = Cause.TIMEOUT) -> int:
    """A tenant whose partition failed for this cause; returns its number."""
    tenant_id = add_tenant(app, name)
    values = {"state": PartitionState.FAILED, "cause": cause, "error": f"error of {name}"}
    with database_of(app).transaction() as session:
        failed = update(Partition).where(Partition.tenant_id == tenant_id)
        session.execute(failed.values(state_since=utc_now(), attempts=3, **values))
    return tenant_id


def tenant_of(app: APIFlask, tenant_id: int) -> Tenant:
    with database_of(app).reading() as session:
        tenant = session.get(Tenant, tenant_id)
        assert tenant is not None
        return tenant


def state_of(app: APIFlask, tenant_id: int) -> PartitionState:
    partition = tenant_of(app, tenant_id).partition
    assert partition is not None
    return partition.state


def send(visitor: Visitor, address: str, **fields: str) -> int:
    """Send a form with its CSRF token; returns the answer's status."""
    token = visitor.csrf_token("/admin/")
    return visitor.post(address, {"csrf_token": token, **fields}).status_code
