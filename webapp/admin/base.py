"""The base of every page of the panel: access is denied unless granted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from flask import abort, current_app, g, request
from flask_admin import BaseView
from flask_admin import expose as flask_admin_expose
from sqlalchemy.orm import Session

from webapp import current
from webapp.admin.live.cache import recent
from webapp.auth.guard import require
from webapp.auth.principal import current_principal
from webapp.auth.roles import Principal, Role
from webapp.conditions.condition import Condition
from webapp.conditions.judgement import judge, raised_at
from webapp.conditions.observations import Observations, observe
from webapp.conditions.watch import own_view
from webapp.db.types import utc_now
from webapp.extensions import db
from webapp.models.partition import Partition
from webapp.models.process import ProcessKind
from webapp.partitions.drift import DRIFT
from webapp.partitions.stuck import is_stuck
from webapp.partitions.summary import Summary
from webapp.queue.inspection import look
from webapp.queue.models import Board

View = TypeVar("View", bound=Callable[..., Any])

# htmx sends this header with each refresh of a page's live part.
FRAGMENT_HEADER = "HX-Request"
# The default interval at which a page refreshes its live part.
EVERY_S = 2


def expose(url: str, methods: Iterable[str] = ("GET",)) -> Callable[[View], View]:
    """Flask-Admin's decorator of view methods, typed."""
    return cast(Callable[[View], View], flask_admin_expose(url, methods))


def reading() -> Session:
    """The session that this request reads with; services write with their own."""
    return db.session()


@dataclass(frozen=True)
class FrameData:
    """The figures in the frame, the same for every user."""

    seen: Observations
    conditions: Sequence[Condition]
    board: Board
    # Whether no process can store its sign of life, as far as this one knows.
    is_blind: bool

    @property
    def summary(self) -> Summary:
        return self.seen.summary

    @property
    def workers(self) -> int:
        """How many workers show that they work."""
        return len(self.seen.processes.of(ProcessKind.WORKER))

    @property
    def for_humans(self) -> Sequence[Condition]:
        """The conditions that do not pass by themselves, the gravest first."""
        return [each for each in self.conditions if each.needs_human]

    def first(self, *keys: str) -> Condition | None:
        """The gravest present condition of these keys."""
        return next((each for each in self.conditions if each.key in keys), None)


@dataclass(frozen=True)
class Shell(FrameData):
    """The frame as this user sees it."""

    principal: Principal

    @property
    def drifting(self) -> int:
        """How many partitions are not as wanted, as last observed."""
        return sum(count for kind, count in self.seen.drift.items() if kind in DRIFT)

    @property
    def may_change(self) -> bool:
        return self.principal.may(Role.OPERATOR)

    @property
    def may_administer(self) -> bool:
        return self.principal.may(Role.ADMIN)


def shell() -> Shell:
    if "shell" not in g:
        principal = current_principal()
        if principal is None:
            abort(403)
        g.shell = Shell(**vars(recent("frame", _figures)), principal=principal)
    frame: Shell = g.shell
    return frame


def _figures() -> FrameData:
    seen = observe(reading(), current.settings())
    own = own_view(current_app.extensions)
    conditions = judge(seen, raised_at(reading()), own)
    board = look(current_app.extensions["job_queue"])
    return FrameData(seen, conditions, board, own.is_blind)


def is_late(partition: Partition) -> bool:
    """Whether the partition is stuck, by the rules of this installation."""
    counts = shell().summary
    policy = current.services().policy
    return is_stuck(partition, policy, counts.last_pause, counts.last_brakes, counts.restored)


def is_fragment() -> bool:
    return request.headers.get(FRAGMENT_HEADER) == "true"


class Guarded:
    """A view that needs `reader` for the methods in `reads`, and `changer` for all others."""

    reads: frozenset[str] = frozenset()
    reader = Role.VIEWER
    changer = Role.OPERATOR
    # The key of its place in the navigation.
    nav: str | None = None

    def _handle_view(self, name: str, **kwargs: Any) -> None:
        """Answer 403 without the view's role; Flask-Admin calls this before every view."""
        require(self.reader if name in self.reads else self.changer)

    def render(self, template: str, **kwargs: Any) -> str:
        """The template with the frame's data and the current moment."""
        page: str = super().render(  # type: ignore[misc]
            template,
            **{"shell": shell(), "now": utc_now(), "nav": self.nav, "every": EVERY_S, **kwargs},
        )
        return page


class Page(Guarded, BaseView):  # type: ignore[misc]
    """A page of the panel, or several with one address before theirs."""
