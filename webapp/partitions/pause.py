"""Pauses and resumes provisioning, as for maintenance of Milvus; sign-ups go on."""

from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from webapp.audit import log as audit
from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.errors import InvalidField
from webapp.halts.pause_state import PROVISIONING, PauseState, is_paused, last_pause
from webapp.idempotency import WITHOUT_KEY, Idempotency
from webapp.models.audit import Actor
from webapp.models.control import Pause
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.partitions.dispatcher import Dispatcher
from webapp.texts import UnusableText, clean_text, folded

MAX_REASON_LENGTH = 500

# The most rows that a resume dispatches itself; the due loop dispatches the rest.
DISPATCHED_AT_ONCE = 2000


class Pauses:
    """One row is the pause of all processes. Work that is under way ends normally."""

    def __init__(self, database: Database, dispatcher: Dispatcher) -> None:
        self._database = database
        self._dispatcher = dispatcher

    def pause(
        self, reason: str | None = None, *, actor: Actor, idempotency: Idempotency = WITHOUT_KEY
    ) -> PauseState:
        """Let no creation and no drop begin from now on. Idempotent: the first reason stays.

        Raises:
            InvalidField: the reason is too long, or has characters that are not allowed.
            Repeated: see `Idempotency`.
        """
        reason = checked_reason(reason)
        begun = {
            "paused_at": utc_now(),
            "paused_by": actor.signature,
            "reason": reason,
            "resumed_at": None,
        }
        with self._database.transaction() as session:
            idempotency.begin(session)
            first = insert_into(session, Pause).values(name=PROVISIONING, **begun)
            another = first.on_conflict_do_update(
                index_elements=[Pause.name], set_=begun, where=Pause.resumed_at.is_not(None)
            )
            if session.scalar(another.returning(Pause.name)):
                _write(session, actor, "pause", reason)
                session.after_commit(self._dispatcher.heed_pause)
            state = PauseState.of(session.get_one(Pause, PROVISIONING))
            idempotency.finish(session, state)
        return state

    def resume(self, *, actor: Actor, idempotency: Idempotency = WITHOUT_KEY) -> PauseState | None:
        """Resume, and dispatch waiting requests; returns the pause that ended.

        Idempotent: returns None where provisioning is not paused.

        Raises:
            Repeated: see `Idempotency`.
        """
        ended = None
        with self._database.transaction() as session:
            idempotency.begin(session)
            row = session.get(Pause, PROVISIONING, with_for_update=True)
            if row is not None and row.resumed_at is None:
                row.resumed_at = utc_now()
                ended = PauseState.of(row)
                _write(session, actor, "resume", row.reason)
                session.after_commit(lambda: self._dispatcher.dispatch_due(DISPATCHED_AT_ONCE))
            idempotency.finish(session, None)
        return ended

    def state(self) -> PauseState | None:
        """The present pause, or None."""
        last = self._database.read(last_pause)
        return last if last and last.lasts else None

    def is_on(self) -> bool:
        return self._database.read(is_paused)


def under_way(session: Session) -> int:
    """The number of attempts and drops that have begun and not ended."""
    dropping = and_(Partition.state == PartitionState.REMOVING, Partition.lease_until > utc_now())
    begun = or_(Partition.state == PartitionState.PROVISIONING, dropping)
    return session.scalar(select(func.count()).select_from(Partition).where(begun)) or 0


def checked_reason(reason: str | None) -> str | None:
    """The reason as it is stored, None for an empty one; raises InvalidField."""
    try:
        return clean_text(folded(reason or ""), MAX_REASON_LENGTH, may_be_empty=True) or None
    except UnusableText as error:
        raise InvalidField("reason", error.template, **error.values) from error


def _write(session: UnitOfWork, actor: Actor, verb: str, reason: str | None) -> None:
    running: dict[str, Any] = {"paused": False}
    paused = {"paused": True, "reason": reason}
    before, after = (running, paused) if verb == "pause" else (paused, running)
    audit.record(
        session,
        actor=actor,
        action=f"provisioning.{verb}",
        target="provisioning",
        before=before,
        after=after,
    )
