"""Places in a list as addresses have them: after or before a tenant, or behind so many."""

import re

from webapp.tenants.models import Tenant
from webapp.tenants.orders import Place, order_of
from webapp.tenants.queries import TenantFilter

_PLACE = re.compile(r"(after|before)-([0-9]{1,18})-(.*)", re.ASCII | re.DOTALL)
_RANK = re.compile(r"behind-([0-9]{1,6})", re.ASCII)


def after(tenant: Tenant, wanted: TenantFilter) -> str:
    """The place of the page that follows this tenant."""
    return f"after-{tenant.id}-{order_of(wanted).key_of(tenant)}"


def before(tenant: Tenant, wanted: TenantFilter) -> str:
    """The place of the page that ends before this tenant."""
    return f"before-{tenant.id}-{order_of(wanted).key_of(tenant)}"


def rank(skip: int) -> str:
    """The place behind so many; empty for the first page."""
    return f"behind-{skip}" if skip else ""


def parse(text: str) -> Place | None:
    """The place in an address; None, the beginning, for what is none."""
    named = _PLACE.fullmatch(text)
    return Place(int(named[2]), named[3], is_end=named[1] == "before") if named else None


def parse_rank(text: str) -> int:
    """After how many a page of what was found begins."""
    named = _RANK.fullmatch(text)
    return int(named[1]) if named else 0
