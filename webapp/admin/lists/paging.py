"""Places in a list as addresses have them: after or before a tenant, or behind so many.

Before a place stands the rank of the first tenant of its page, `51-after-50-Acme`. It is only
shown: tenants that came or went since make it wrong by as many, and no tenant is missed for it.
"""

import re

from webapp.models.tenant import Tenant
from webapp.tenants.list_orders import Place, order_of
from webapp.tenants.queries import TenantFilter

_PLACE = re.compile(r"(?:([0-9]{1,9})-)?(after|before)-([0-9]{1,18})-(.*)", re.ASCII | re.DOTALL)
_RANK = re.compile(r"behind-([0-9]{1,6})", re.ASCII)


def after(tenant: Tenant, wanted: TenantFilter, first: int | None) -> str:
    """The place of the page that follows this tenant, and `first` the rank of its first one."""
    return f"{_ranked(first)}after-{tenant.id}-{order_of(wanted).key_of(tenant)}"


def before(tenant: Tenant, wanted: TenantFilter, first: int | None) -> str:
    """The place of the page that ends before this tenant, `first` as with `after`."""
    return f"{_ranked(first)}before-{tenant.id}-{order_of(wanted).key_of(tenant)}"


def _ranked(first: int | None) -> str:
    return f"{first}-" if first and first > 0 else ""


def rank(skip: int) -> str:
    """The place behind so many; empty for the first page."""
    return f"behind-{skip}" if skip else ""


def parse(text: str) -> Place | None:
    """The place in an address; None, the beginning, for what is none."""
    named = _PLACE.fullmatch(text)
    return Place(int(named[3]), named[4], is_end=named[2] == "before") if named else None


def first_of(text: str) -> int | None:
    """The rank of the first tenant of the page at a place; None where the place does not say."""
    named = _PLACE.fullmatch(text)
    return int(named[1]) if named and named[1] else None


def parse_rank(text: str) -> int:
    """After how many a page of what was found begins."""
    named = _RANK.fullmatch(text)
    return int(named[1]) if named else 0
