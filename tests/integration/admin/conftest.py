"""The panel as users of each role have it open."""

import pytest
from apiflask import APIFlask

from tests.integration.admin.panel import AsRole, OpenPanel
from webapp.auth.roles import Role


@pytest.fixture
def as_role(app: APIFlask) -> AsRole:
    def login(role: Role) -> OpenPanel:
        panel = OpenPanel(app)
        panel.enter(role)
        return panel

    return login


@pytest.fixture
def panel(as_role: AsRole) -> OpenPanel:
    """The panel of an operator, who may change tenants and partitions."""
    return as_role(Role.OPERATOR)


@pytest.fixture
def viewer(as_role: AsRole) -> OpenPanel:
    return as_role(Role.VIEWER)


@pytest.fixture
def admin(as_role: AsRole) -> OpenPanel:
    return as_role(Role.ADMIN)
