"""The filter of tenants in an address, and the page that it selects."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.admin.lists.paging import after, before, first_of, parse, parse_rank, rank
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions.summary import Summary
from webapp.tenants.list_pages import MATCHES_AT_MOST, Walked, search, walk
from webapp.tenants.queries import TenantFilter, conditions
from webapp.texts import whole_number

# In place of a state.
NOT_REQUESTED = "none"
ROWS_LOST = "lost"
LONGEST_PLACE = 400


@dataclass(frozen=True)
class Choice(TenantFilter):
    """The filter in an address; invalid parts are ignored."""

    state: PartitionState | None = None
    # The place of the page, as `paging` writes it; empty for the first page.
    page: str = ""
    # The tab of the list's page, where that has tabs.
    tab: str | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves any tenant out."""
        return self != Choice(page=self.page, tab=self.tab)

    @property
    def fields(self) -> dict[str, Any]:
        """The filter as an address has it; see `read_choice`."""
        return dict(filter_fields(self))

    def url(self, endpoint: str, **changes: object) -> str:
        """The address of this filter with changes, on its first page."""
        choice = replace(self, **{"page": "", **changes})  # type: ignore[arg-type]
        return url_for(endpoint, tab=choice.tab, **choice.fields, page=choice.page or None)


@dataclass(frozen=True)
class Found:
    """One page of tenants, the total, and the neighbouring pages."""

    items: Sequence[Tenant]
    total: int
    # The rank of the first tenant shown; None where it would have to be counted.
    first: int | None
    # More tenants match than were read, so that the total is too low.
    is_cut: bool = False
    looked_at: int = MATCHES_AT_MOST
    previous: str | None = None
    next: str | None = None

    @property
    def last(self) -> int | None:
        return None if self.first is None else self.first + len(self.items) - 1


def filter_fields(wanted: TenantFilter) -> Iterator[tuple[str, str]]:
    """The fields of a filter in an address or a form, with their values."""
    if wanted.state or wanted.not_requested:
        yield "state", NOT_REQUESTED if wanted.not_requested else str(wanted.state)
    elif wanted.rows_lost:
        yield "state", ROWS_LOST
    if wanted.cause:
        yield "cause", str(wanted.cause)
    if wanted.q:
        yield "search", wanted.q
    if wanted.operation_id is not None:
        yield "operation", str(wanted.operation_id)
    if wanted.upload_id is not None:
        yield "upload", str(wanted.upload_id)


def read_choice(arguments: Mapping[str, str]) -> Choice:
    state, cause = arguments.get("state", ""), arguments.get("cause", "")
    known_state = PartitionState(state) if state in set(PartitionState) else None
    is_of_rows = state in {NOT_REQUESTED, ROWS_LOST}
    for_cause = Cause(cause) if cause in set(Cause) and not is_of_rows else None
    return Choice(
        # A cause alone means failures of this cause.
        state=known_state or (PartitionState.FAILED if for_cause else None),
        cause=for_cause,
        q=arguments.get("search", "").strip()[:255],
        page=arguments.get("page", "")[:LONGEST_PLACE],
        not_requested=state == NOT_REQUESTED,
        rows_lost=state == ROWS_LOST,
        operation_id=whole_number(arguments.get("operation", "")) or None,
        upload_id=whole_number(arguments.get("upload", "")) or None,
    )


def tenants_page(session: Session, choice: Choice, counts: Summary, size: int) -> Found:
    if choice.q:
        return _search_page(session, choice, size)
    page = walk(session, choice, size, parse(choice.page))
    total = _total(session, choice, counts)
    first = _first(page, total, choice)
    back, on = (first - size, first + len(page.items)) if first else (None, None)
    return Found(
        items=page.items,
        total=total,
        first=first,
        previous=before(page.items[0], choice, back) if page.has_before and page.items else None,
        next=after(page.items[-1], choice, on) if page.has_behind else None,
    )


def _first(page: Walked, total: int, choice: Choice) -> int | None:
    if not page.has_before:
        return 1
    rank = first_of(choice.page)
    return rank if rank and rank > 1 and rank + len(page.items) - 1 <= total else None


def _search_page(session: Session, choice: Choice, size: int) -> Found:
    skip = parse_rank(choice.page)
    page = search(session, choice, size, skip)
    behind = skip + len(page.items)
    return Found(
        items=page.items,
        total=page.total,
        first=skip + 1,
        is_cut=page.is_cut,
        previous=rank(max(skip - size, 0)) if skip else None,
        next=rank(behind) if behind < page.total else None,
    )


def _total(session: Session, choice: Choice, counts: Summary) -> int:
    """How many match; counts that the page has already are not queried again."""
    if choice.operation_id or choice.upload_id:
        return _count(session, choice)
    if choice.not_requested or choice.rows_lost:
        return counts.not_requested if choice.not_requested else counts.rows_lost
    if choice.state is None:
        return counts.tenants
    if choice.cause is None:
        return counts.states[choice.state]
    if choice.state == PartitionState.FAILED:
        return counts.causes.get(choice.cause, 0)
    return _count(session, choice)


def _count(session: Session, tenant_filter: TenantFilter) -> int:
    counted = select(func.count()).select_from(Partition).join(Partition.tenant)
    return session.scalar(counted.where(*conditions(tenant_filter))) or 0
