"""The operations loop: drives what somebody asked for many tenants, batch by batch."""

import threading

from webapp.csv_import.service import Uploads
from webapp.logs import get_logger
from webapp.operations.service import Operations

# Between two batches whoever waits to write, a sign-up perhaps, has its turn.
PAUSE_BETWEEN_BATCHES_S = 0.02

log = get_logger("paratia.operations")


class OperationsLoop:
    """Takes the running operations in turns. May run in several processes at once."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def run_due(self, stop: threading.Event) -> int:
        """Go on until none has anything to take, then settle; returns the number of batches.

        One batch of each in turn, so that a small one does not wait for the end of a large one.
        """
        batches = 0
        going = self._operations.running()
        while going and not stop.is_set():
            batches += len(going)
            going = [operation_id for operation_id in going if self._advance(operation_id)]
            stop.wait(PAUSE_BETWEEN_BATCHES_S)
        self._operations.settle()
        return batches

    def _advance(self, operation_id: int) -> bool:
        """One batch; a failure puts this operation off to the next round, and no other."""
        try:
            return self._operations.advance(operation_id)
        except Exception:
            log.exception("operation.batch_failed", operation_id=operation_id)
            return False


# Between two batches, for others who want to write.
PAUSE_BETWEEN_BATCHES_S = 0.02

log = get_logger("paratia.uploads")


class ImportLoop:
    """Goes on with every confirmed upload. May run in several processes at once."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def run(self, stop: threading.Event) -> int:
        """Take what waits until nothing does; returns how many uploads were there.

        The trouble of one keeps the others from nothing.
        """
        running = self._uploads.running()
        for upload_id in running:
            try:
                self._go_on(upload_id, stop)
            except Exception:
                log.exception("upload.interrupted", upload=upload_id)
        if forgotten := self._uploads.prune():
            log.info("uploads.forgotten", uploads=forgotten)
        return len(running)

    def _go_on(self, upload_id: int, stop: threading.Event) -> None:
        while not stop.is_set() and self._uploads.advance(upload_id):
            stop.wait(PAUSE_BETWEEN_BATCHES_S)
