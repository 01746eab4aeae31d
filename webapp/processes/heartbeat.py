"""The heartbeat of a process: its row in the database, renewed while it works."""

import atexit
import json
import os
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import delete

from webapp.db.deadline import answered_within
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.logs import get_logger
from webapp.models.process import Process, ProcessKind
from webapp.processes.beats import note, stop_of
from webapp.processes.gaps import QUIET, note_gap
from webapp.processes.liveness import FORGOTTEN_AFTER, SILENT_AFTER, replaced_by
from webapp.queue.redis_writes import ask, refusal_in
from webapp.settings import VERSION, Settings

BEAT_EVERY_S = 5.0
# Of one beat: what Redis, and what the database may take.
ANSWER_WITHIN_S, WRITTEN_WITHIN_S = 1.5, 3.0
LONGEST_ACTIVITY = 200

# What Redis answered, where it is no refusal of writes. Suspended: RQ's own command holds workers;
# an idle one notices it only with its next job, so Redis is asked.
OK, DOWN, SUSPENDED = "ok", "down", "suspended"

log = get_logger("paratia.process")


class ProcessHeartbeat:
    """Renews the row of this process every five seconds, in a thread of its own.

    A frozen or dead process renews nothing; one that ends deletes its row, and notes when it did,
    so that a restart is told from a loss. `afterwards` is called
    after each renewal, `on_failure` where the database took none; the next beat tries again.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        kind: ProcessKind,
        *,
        name: str | None = None,
        afterwards: Callable[[], object] = lambda: None,
        on_failure: Callable[[Exception], object] = lambda _error: None,
    ) -> None:
        self._database = database
        self._kind = kind
        self._address = settings.redis_address
        self._afterwards, self._on_failure = afterwards, on_failure
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._redis: tuple[str, datetime] = (OK, utc_now())
        self._activity: tuple[str, datetime] | None = None
        # The last sign that the database took.
        self._stored_at: datetime | None = None
        # The first one after a gap, or at all.
        self._back_at = utc_now()
        self._fixed = {
            "name": name or secrets.token_hex(8),
            "kind": kind,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "release": VERSION,
            "settings": json.dumps(settings.digests()),
            "started_at": utc_now(),
        }

    def start(self) -> None:
        """Beat from now on, until the process ends."""
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Beat no more, and delete the row; where the database does not answer, it stays."""
        if self._thread.ident is None:
            return
        atexit.unregister(self.stop)
        self._stop.set()
        self._thread.join(ANSWER_WITHIN_S + WRITTEN_WITHIN_S)
        name = str(self._fixed["name"])
        try:
            with answered_within(ANSWER_WITHIN_S), self._database.transaction() as session:
                # Else they would be told as silent once more, as nothing replaces them any more.
                gone = [name, *replaced_by(session, name)]
                session.execute(delete(Process).where(Process.name.in_(gone)))
                note(session, stop_of(self._kind))
        except Exception as error:  # noqa: BLE001
            log.debug("process.not_signed_off", error=type(error).__name__)

    def fall_silent(self) -> None:
        """Beat no more, and leave the row: its silence tells that something has died."""
        atexit.unregister(self.stop)
        self._stop.set()

    def set_activity(self, activity: str | None) -> None:
        """What the process does from now on; None: nothing. The next beat stores it."""
        self._activity = (activity[:LONGEST_ACTIVITY], utc_now()) if activity else None

    def beat(self) -> None:
        """Ask Redis for a write, and store the sign of life; raises what the database does."""
        self._ask_redis()
        if self._stop.is_set():
            return
        now = utc_now()
        activity, active_since = self._activity or (None, None)
        state, since = self._redis
        seen: dict[str, Any] = {
            "seen_at": now,
            "activity": activity,
            "active_since": active_since,
            "redis": state,
            "redis_since": since,
        }
        is_back = self._stored_at is None or now - self._stored_at > QUIET
        back_at = now if is_back else self._back_at
        with answered_within(WRITTEN_WITHIN_S), self._database.transaction() as session:
            if self._stored_at and is_back:
                note_gap(session, now)
            mine = insert_into(session, Process).values(**self._fixed, **seen)
            session.execute(mine.on_conflict_do_update(index_elements=[Process.name], set_=seen))
            if now - back_at > SILENT_AFTER:
                # Not before the others could show themselves again, however long the gap was.
                session.execute(delete(Process).where(Process.seen_at < now - FORGOTTEN_AFTER))
        self._stored_at, self._back_at = now, back_at

    def _ask_redis(self) -> None:
        answers = ask(self._address, ANSWER_WITHIN_S)
        if answers is None:
            state = DOWN
        else:
            state = refusal_in(answers) or (SUSPENDED if answers[-1] == 1 else OK)
        if state != self._redis[0]:
            self._redis = (str(state), utc_now())

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.beat()
            except Exception as error:  # noqa: BLE001
                self._on_failure(error)
            else:
                self._look_around()
            self._stop.wait(BEAT_EVERY_S)

    def _look_around(self) -> None:
        try:
            self._afterwards()
        except Exception as error:  # noqa: BLE001
            # The database may have gone since the beat; the next beat says so.
            log.debug("process.beat_failed", error=type(error).__name__, message=str(error))
