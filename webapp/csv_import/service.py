"""Imports of CSV files: check, confirm, create batch by batch, discard, prune."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, TextClause, and_, delete, select, update
from sqlalchemy.exc import IntegrityError

from webapp.audit import entries
from webapp.audit import log as audit
from webapp.csv_import.batch import take_batch
from webapp.csv_import.faults import ImportRefused, UploadNotFound
from webapp.csv_import.parsing import FileRow, parse
from webapp.csv_import.storing import counts, record
from webapp.csv_import.validation import usable_tenants, validate_rows
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.errors import DatabaseRestored
from webapp.logs import get_logger
from webapp.models.audit import Actor
from webapp.models.csv_import import Upload, UploadRow, UploadState
from webapp.numbers.counter import lift
from webapp.numbers.incarnation import Incarnations
from webapp.partitions.dispatcher import Dispatcher
from webapp.partitions.policy import Policy
from webapp.tenants.inserts import NOBODY_ELSE_WRITES, ONE_WRITES, insert_imported

# The age at which an unconfirmed file is deleted. Finished imports have a retention.
ABANDONED_AFTER = timedelta(days=1)

log = get_logger("paratia.uploads")


class Uploads:
    """Creates the tenants of a file: checked first, then confirmed."""

    def __init__(
        self,
        database: Database,
        dispatcher: Dispatcher,
        policy: Policy,
        incarnations: Incarnations,
    ) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._policy = policy
        self._incarnations = incarnations

    def check(self, filename: str, data: bytes, *, actor: Actor) -> Upload:
        """Validate every row of the file, and store the verdicts. No tenant is created.

        Raises:
            UnreadableFile: it cannot be parsed; nothing is stored.
        """
        table = parse(data)
        examined = self._database.read(validate_rows, table.rows)
        with self._database.transaction() as session:
            upload = record(session, filename, table, examined, actor=actor)
            audit.record(
                session,
                actor=actor,
                action="upload.create",
                target=f"upload {upload.id}",
                before={},
                after={"file": upload.filename, **counts(upload)},
            )
        return upload

    def import_all(self, rows: Sequence[FileRow], *, dry_run: bool, actor: Actor) -> int:
        """Store every row as a tenant under its own number, or none; returns how many.

        No partition is requested. Later numbers are above the highest one of the file. A dry run
        stores none.

        Raises:
            ImportRefused: rows are invalid, or exist already.
            DatabaseRestored: a number may be a lost tenant's; see `Incarnations.require_known`.
        """
        try:
            with self._incarnations.drawing(), self._database.transaction() as session:
                # Both are required: an imported tenant keeps its number and its slug.
                given = [replace(r, number=r.number or "", slug=r.slug or "") for r in rows]
                tenants = usable_tenants(validate_rows(session, given))
                if tenants and not dry_run:
                    look = self._incarnations.require_known(session)
                    numbers = [tenant.id for tenant in tenants]
                    self._incarnations.note_drawn(session, look, max(numbers))
                    lift(session, max(numbers))
                    insert_imported(session, tenants, self._policy)
                    after = entries.many(numbers)
                    audit.record(session, actor=actor, action="tenants.import", after=after)
        except IntegrityError as error:
            raise ImportRefused({}) from error
        if tenants and not dry_run:
            log.info("tenants.imported", tenants=len(tenants), actor=actor.name)
        return len(tenants)

    def confirm(self, upload_id: int, *, actor: Actor) -> bool:
        """Create the first batch of new rows now; the reconciler creates the others.

        The tenants count as this actor's. False where it was confirmed or discarded before.

        Raises:
            UploadNotFound: there is no such upload, or it was deleted.
        """
        to_run = {"state": UploadState.RUNNING, "confirmed_at": utc_now(), **actor.columns}
        if not self._decide(upload_id, "upload.confirm", to_run, actor):
            return False
        self.advance(upload_id)
        return True

    def discard(self, upload_id: int, *, actor: Actor) -> bool:
        """Discard a checked file. False where it was confirmed or discarded before.

        Raises:
            UploadNotFound: there is no such upload, or it was deleted.
        """
        to_drop = {"state": UploadState.DISCARDED, "finished_at": utc_now()}
        return self._decide(upload_id, "upload.discard", to_drop, actor)

    def _decide(self, upload_id: int, action: str, values: dict[str, Any], actor: Actor) -> bool:
        checked = and_(Upload.id == upload_id, Upload.state == UploadState.CHECKED)
        with self._database.transaction() as session:
            decided = update(Upload).where(checked).values(**values).returning(Upload)
            upload = session.scalars(decided).first()
            if upload is None:
                if session.get(Upload, upload_id) is None:
                    raise UploadNotFound(upload_id)
                return False
            if upload.state == UploadState.DISCARDED:
                session.execute(delete(UploadRow).where(UploadRow.upload_id == upload_id))
            audit.record(
                session,
                actor=actor,
                action=action,
                target=f"upload {upload_id}",
                before={"state": UploadState.CHECKED},
                after={"state": upload.state, "file": upload.filename, **counts(upload)},
            )
        return True

    def running(self) -> Sequence[int]:
        """The confirmed uploads that have rows left, the oldest first."""
        waiting = select(Upload.id).where(Upload.state == UploadState.RUNNING).order_by(Upload.id)
        with self._database.reading() as session:
            return session.scalars(waiting).all()

    def advance(self, upload_id: int) -> bool:
        """Create the tenants of the next rows; True while there are more.

        Safe in several processes at once, and after a crash. After a restore of the database it
        waits until this was compared with Milvus.
        """
        try:
            with self._incarnations.drawing():
                upload = self._take_batch(upload_id)
        except DatabaseRestored:
            return False
        return upload is not None and upload.state == UploadState.RUNNING

    def _take_batch(self, upload_id: int) -> Upload | None:
        try:
            return self._take(upload_id, ONE_WRITES)
        except IntegrityError:
            # A sign-up took a slug or a number during the batch; now none can.
            return self._take(upload_id, NOBODY_ELSE_WRITES)

    def _take(self, upload_id: int, lock: TextClause) -> Upload | None:
        with self._database.transaction() as session:
            look = self._incarnations.require_known(session)
            batch = take_batch(session, upload_id, self._policy, lock)
            if batch is None:
                return None
            upload, partitions = batch
            highest = max((row.tenant_id for row in partitions), default=0)
            self._incarnations.note_drawn(session, look, highest)
            if upload.state == UploadState.FINISHED:
                done = {"upload": upload_id, **counts(upload)}
                session.after_commit(lambda: log.info("upload.finished", **done))
            # After a crash before this, the due loop dispatches these rows.
            self._dispatcher.dispatch_after_commit(session, partitions)
        return upload

    def prune(self) -> int:
        """Delete old uploads that were not confirmed; returns how many."""
        undecided = Upload.state.in_([UploadState.CHECKED, UploadState.DISCARDED])
        old = and_(undecided, Upload.uploaded_at < utc_now() - ABANDONED_AFTER)
        with self._database.reading() as session:
            ids = session.scalars(select(Upload.id).where(old).limit(100)).all()
        return sum(self._delete(upload_id, old) for upload_id in ids)

    def _delete(self, upload_id: int, old: ColumnElement[bool]) -> int:
        with self._database.transaction() as session:
            still = select(Upload.id).where(Upload.id == upload_id, old).with_for_update()
            if session.scalar(still) is None:
                return 0
            session.execute(delete(UploadRow).where(UploadRow.upload_id == upload_id))
            session.execute(delete(Upload).where(Upload.id == upload_id))
        return 1
