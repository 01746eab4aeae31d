"""The navigation of the panel, and its keys."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import request, url_for
from flask_babel import lazy_gettext as _l

from webapp.auth.principal import current_principal
from webapp.auth.roles import Role


@dataclass(frozen=True)
class Place:
    """A page in the navigation; the keys `g` and then `letter` lead there too."""

    key: str
    endpoint: str
    icon: str
    label: str
    letter: str
    role: Role = Role.VIEWER

    @property
    def url(self) -> str:
        return url_for(self.endpoint)

    @property
    def is_here(self) -> bool:
        return request.blueprint == self.endpoint.partition(".")[0]


PLACES = (
    Place("overview", "admin.index", "overview", _l("Overview"), "o"),
    Place("tenant", "tenant.index_view", "tenants", _l("Tenants"), "t"),
    Place("partitions", "partitions.index", "partitions", _l("Partitions"), "p"),
    Place("operations", "operations.index", "operations", _l("Operations"), "r"),
    Place("uploads", "uploads.index", "upload", _l("Import"), "i"),
    Place("audit", "audit.index", "audit", _l("Audit"), "a", Role.OPERATOR),
    Place("rq", "rq_dashboard.queues_overview", "queue", _l("Job queue"), "q", Role.ADMIN),
)


def places() -> Iterator[Place]:
    """The pages that this user may open, in order."""
    principal = current_principal()
    for place in PLACES:
        if principal and principal.may(place.role):
            yield place
