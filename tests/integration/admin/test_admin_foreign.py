"""Foreign data in the panel: what was found, and the two decisions about it."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask
from sqlalchemy import update

from tests.access import Visitor, database_of
from tests.integration.admin.tenants import add_failed, add_tenant, send, state_of, tenant_of
from webapp.auth.roles import Role
from webapp.models.audit import AuditEntry
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import IfExists, PartitionState

NAME = "<i>Acme</i>"
SEEN = "partition tenant_1 of collection <b>x</b> was there before any attempt of ours, with 5 rows"


@pytest.fixture
def foreign(app: APIFlask) -> int:
    """A tenant whose partition holds rows that may be somebody else's."""
    tenant_id = add_failed(app, NAME, Cause.FOREIGN_DATA)
    with database_of(app).transaction() as session:
        session.execute(update(Partition).values(error=SEEN))
    return tenant_id


def decided(app: APIFlask, tenant_id: int) -> tuple[IfExists, list[str]]:
    """What is to be done with the rows, and the decisions in the audit."""
    partition = tenant_of(app, tenant_id).partition
    assert partition is not None
    with database_of(app).reading() as session:
        entries = session.query(AuditEntry).filter_by(tenant_id=tenant_id)
        decisions = [entry.action for entry in entries if entry.action != "tenant.create"]
        return partition.if_exists, decisions


def test_what_was_found_is_shown_with_the_ways_out(
    app: APIFlask, as_role: Callable[[Role], Visitor], foreign: int
) -> None:
    address = f"/admin/tenant/details/?id={foreign}"
    page = as_role(Role.OPERATOR).get(address).text
    assert "was there before any attempt of ours. Rows in it: 5." in page
    assert "<b>x</b>" not in page
    assert "There, with rows of unknown origin" in page
    for way in ("Adopt these rows", "Destroy these rows…", "Retry"):
        assert way in page
    assert "these rows" not in as_role(Role.VIEWER).get(address).text


def test_the_rows_are_to_be_adopted_when_the_operator_says_so(
    app: APIFlask, operator: Visitor, foreign: int
) -> None:
    assert send(operator, "/admin/tenant/adopt/", tenant_id=str(foreign)) == 302
    assert state_of(app, foreign) == PartitionState.PENDING
    assert decided(app, foreign) == (IfExists.ADOPT, ["tenant.adopt"])
    page = operator.get(f"/admin/tenant/details/?id={foreign}").text
    assert "The rows are being adopted." in page
    assert "adopt the rows that are there" in page


def test_no_rows_are_destroyed_until_the_name_is_typed(
    app: APIFlask, operator: Visitor, foreign: int
) -> None:
    address = "/admin/tenant/empty/"
    question = operator.get(f"{address}?id={foreign}").text
    assert "with 5 rows" in question
    assert f"tenant_{foreign}" in question
    assert "This cannot be undone." in question
    assert NAME not in question
    for wrong in ({}, {"typed": ""}, {"typed": "Acme"}):
        assert send(operator, address, id=str(foreign), **wrong) == 422
    assert decided(app, foreign) == (IfExists.REFUSE, [])
    assert send(operator, address, id=str(foreign), typed=NAME) == 302
    assert decided(app, foreign) == (IfExists.EMPTY, ["tenant.empty"])


def test_nothing_is_decided_when_there_is_no_foreign_data(app: APIFlask, operator: Visitor) -> None:
    tenant_id = add_tenant(app, "Acme")
    assert operator.get(f"/admin/tenant/empty/?id={tenant_id}").status_code == 302
    for action in ("adopt", "empty"):
        form = {"id": str(tenant_id), "tenant_id": str(tenant_id), "typed": "Acme"}
        assert send(operator, f"/admin/tenant/{action}/", **form) == 302
        page = operator.get(f"/admin/tenant/details/?id={tenant_id}").text
        assert "did not fail because of foreign data." in page
    assert decided(app, tenant_id) == (IfExists.REFUSE, [])


def test_adopted_rows_are_a_fact_of_the_partition(app: APIFlask, operator: Visitor) -> None:
    tenant_id = add_tenant(app)
    ready = {"state": PartitionState.READY, "adopted_rows": 1204}
    with database_of(app).transaction() as session:
        session.execute(update(Partition).values(ready))
    page = operator.get(f"/admin/tenant/details/?id={tenant_id}").text
    assert "1,204 rows that were there before" in page
