"""An operator's decision about a brake: make the missing partitions again, or wait."""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from webapp.audit import log as audit
from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.errors import CollectionIsMissing, NotBraked
from webapp.halts.brake_state import IS_ON, BrakeState
from webapp.idempotency import WITHOUT_KEY, Idempotency
from webapp.logs import get_logger
from webapp.models.audit import Actor
from webapp.models.control import Brake
from webapp.models.observed import ObservedCollection

RELEASED = "milvus.collection.brake_released"

log = get_logger("paratia.brake")


class Brakes:
    """The decisions. They call no Milvus: the next sweep does what was decided."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make_again(
        self, collection: str, *, actor: Actor, idempotency: Idempotency = WITHOUT_KEY
    ) -> BrakeState:
        """Release the brake, and accept the collection that answers under this name.

        The next sweep requests the partitions again that are missing then. Returns the brake that
        was released.

        Raises:
            NotBraked: no brake is on in this collection.
            CollectionIsMissing: there is no collection to make partitions in.
            Repeated: see `Idempotency`.
        """
        with self._database.transaction() as session:
            idempotency.begin(session)
            row = _locked(session, collection)
            state = BrakeState.of(row)
            if not state.may_go_on:
                raise CollectionIsMissing(collection)
            row.released_at, row.released_by = utc_now(), actor.signature
            _accept_found(session, row)
            _write(session, row, "make_again", actor)
            idempotency.finish(session, state)
            fields = {"collection": collection, "reason": row.reason, "actor": actor.signature}
            session.after_commit(lambda: log.warning(RELEASED, **fields))
        return state

    def wait(
        self, collection: str, *, actor: Actor, idempotency: Idempotency = WITHOUT_KEY
    ) -> BrakeState:
        """Store who has seen the brake; it stays on. A repeat replaces the name.

        Raises:
            NotBraked: no brake is on in this collection.
            Repeated: see `Idempotency`.
        """
        with self._database.transaction() as session:
            idempotency.begin(session)
            row = _locked(session, collection)
            row.acknowledged_at, row.acknowledged_by = utc_now(), actor.signature
            _write(session, row, "wait", actor)
            state = BrakeState.of(row)
            idempotency.finish(session, state)
        return state

    def is_on(self, collection: str) -> bool:
        on = select(exists().where(Brake.collection == collection, IS_ON))
        with self._database.reading() as session:
            return bool(session.scalar(on))


def _locked(session: Session, collection: str) -> Brake:
    row = session.get(Brake, collection, with_for_update=True)
    if row is None or row.released_at is not None:
        raise NotBraked(collection)
    return row


def _accept_found(session: Session, brake: Brake) -> None:
    seen = session.get(ObservedCollection, brake.collection, with_for_update=True)
    if seen is not None and brake.found_name is not None:
        seen.real_name, seen.moved_to = brake.found_name, None
        seen.collection_id, seen.collection_created = brake.found_id, brake.found_created


def _write(session: UnitOfWork, brake: Brake, verb: str, actor: Actor) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"brake.{verb}",
        target=f"collection {brake.collection}",
        before={"reason": brake.reason, "gone": brake.gone, "proven": brake.proven},
    )
