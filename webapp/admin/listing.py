"""The choice of tenants that an address makes, and the page of them that it names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flask import url_for
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, contains_eager

from webapp.tenants.causes import Cause
from webapp.tenants.figures import Summary
from webapp.tenants.models import Partition, Tenant
from webapp.tenants.queries import TenantFilter, conditions
from webapp.tenants.states import PartitionState

NO_WISH = "none"
PAGE_DIGITS = 6


@dataclass(frozen=True)
class Choice:
    """Which tenants are shown: what stands in the address, as far as it makes sense."""

    state: PartitionState | None = None
    cause: Cause | None = None
    q: str = ""
    page: int = 0
    without_wish: bool = False
    # Those that this operation on many was the last to turn.
    operation: int | None = None
    # The tab of the page that the list stands on, where it has several.
    tab: str | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is left out."""
        return bool(self.state or self.cause or self.q or self.without_wish or self.operation)

    def url(self, endpoint: str, **changes: object) -> str:
        """The address of this choice with some of it changed; a change leads to page one."""
        wanted = replace(self, **{"page": 0, **changes})  # type: ignore[arg-type]
        state = NO_WISH if wanted.without_wish else wanted.state
        return url_for(
            endpoint,
            tab=wanted.tab,
            state=state or None,
            cause=wanted.cause or None,
            search=wanted.q or None,
            operation=wanted.operation,
            page=wanted.page or None,
        )


@dataclass(frozen=True)
class Found:
    """One page of tenants, and where it lies among all that were meant."""

    items: Sequence[Tenant]
    total: int
    page: int
    size: int

    @property
    def first(self) -> int:
        """The rank of the first tenant shown, from 1."""
        return self.page * self.size + 1

    @property
    def last(self) -> int:
        """The rank of the last tenant shown."""
        return self.page * self.size + len(self.items)

    @property
    def has_next(self) -> bool:
        """Whether there is a further page."""
        return self.last < self.total


def read_choice(arguments: Mapping[str, str]) -> Choice:
    """The choice in an address; what makes no sense there is left out."""
    state, cause = arguments.get("state", ""), arguments.get("cause", "")
    return Choice(
        state=PartitionState(state) if state in set(PartitionState) else None,
        cause=Cause(cause) if cause in set(Cause) else None,
        q=arguments.get("search", "").replace("\0", "").strip()[:255],
        page=_page_number(arguments.get("page", "")),
        without_wish=state == NO_WISH,
        operation=_page_number(arguments.get("operation", "")) or None,
    )


def _page_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= PAGE_DIGITS else 0


def tenants_page(session: Session, choice: Choice, counts: Summary, size: int) -> Found:
    """The page of tenants that the choice names."""
    wanted = conditions(TenantFilter(choice.state, choice.q, choice.cause, choice.operation))
    if choice.without_wish:
        wanted.append(Partition.tenant_id.is_(None))
    chosen = select(Tenant).join(Tenant.partition, isouter=not choice.state).where(*wanted)
    chosen = _ordered(chosen, choice).options(contains_eager(Tenant.partition))
    items = session.scalars(chosen.limit(size).offset(choice.page * size)).all()
    return Found(items, _total(session, choice, counts, wanted), choice.page, size)


def _ordered(statement: Select[Tenant], choice: Choice) -> Select[Tenant]:
    """By name; within one state whoever has been in it longest first. Both have an index."""
    if choice.state:
        return statement.order_by(Partition.state_since, Tenant.id)
    return statement.order_by(Tenant.name, Tenant.id)


def _total(
    session: Session, choice: Choice, counts: Summary, wanted: list[ColumnElement[bool]]
) -> int:
    """How many are meant; the figures that the page has already are not counted again."""
    if not choice.q and not choice.cause and not choice.operation:
        if choice.without_wish:
            return counts.without_wish
        return counts.states[choice.state] if choice.state else counts.tenants
    statement = select(func.count(Tenant.id)).join(Tenant.partition, isouter=True)
    return session.scalar(statement.where(*wanted)) or 0
