"""Places in a list as addresses have them: after or before a tenant, or after N of them.

In front stands the rank of the page's first tenant, `51-after-50-Acme`. It is only displayed: new
and deleted tenants make it inexact, but no tenant is missed for it.
"""

import re

from webapp.models.tenant import Tenant
from webapp.tenants.list_orders import Place, order_of
from webapp.tenants.queries import TenantFilter

_PLACE = re.compile(r"(?:([0-9]{1,9})-)?(after|before)-([0-9]{1,18})-(.*)", re.ASCII | re.DOTALL)
_RANK = re.compile(r"behind-([0-9]{1,6})", re.ASCII)


def after(tenant: Tenant, tenant_filter: TenantFilter, first: int | None) -> str:
    """The place of the page after this tenant; `first` is the rank of its first tenant."""
    return f"{_ranked(first)}after-{tenant.id}-{order_of(tenant_filter).key_of(tenant)}"


def before(tenant: Tenant, tenant_filter: TenantFilter, first: int | None) -> str:
    """The place of the page before this tenant; `first` as with `after`."""
    return f"{_ranked(first)}before-{tenant.id}-{order_of(tenant_filter).key_of(tenant)}"


def _ranked(first: int | None) -> str:
    return f"{first}-" if first and first > 0 else ""


def rank(skip: int) -> str:
    """The place after `skip` tenants; empty for the first page."""
    return f"behind-{skip}" if skip else ""


def parse(text: str) -> Place | None:
    """The place in an address; None, the beginning, for an invalid one."""
    match = _PLACE.fullmatch(text)
    return Place(int(match[3]), match[4], is_end=match[2] == "before") if match else None


def first_of(text: str) -> int | None:
    """The rank in a place; None where there is none."""
    match = _PLACE.fullmatch(text)
    return int(match[1]) if match and match[1] else None


def parse_rank(text: str) -> int:
    """After how many tenants a page of search results begins."""
    match = _RANK.fullmatch(text)
    return int(match[1]) if match else 0
