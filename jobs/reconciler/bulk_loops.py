"""Drives work on many tenants, operations and imports, batch by batch.

Several processes may do so at once: each batch is one transaction that locks its work.
"""

import threading

from webapp.csv_import.service import Uploads
from webapp.logs import get_logger
from webapp.operations.service import Operations
from webapp.outages import first_line

# Lets other writers, such as a sign-up, take SQLite's one lock between two batches.
PAUSE_BETWEEN_BATCHES_S = 0.02

log = get_logger("paratia.operations")


def run_operations(operations: Operations, stop: threading.Event) -> int:
    """Take every batch of the running operations, then settle; returns the number of batches."""
    batches = _run(operations, stop, "operation.batch_failed", "operation_id")
    operations.settle()
    return batches


def run_imports(uploads: Uploads, stop: threading.Event) -> int:
    """Take every batch of confirmed files, then prune; returns the number of batches."""
    batches = _run(uploads, stop, "upload.interrupted", "upload")
    if forgotten := uploads.prune():
        log.info("uploads.forgotten", uploads=forgotten)
    return batches


def _run(work: Operations | Uploads, stop: threading.Event, failed: str, number_is: str) -> int:
    """One batch of each in turn: small work does not wait for the end of large work."""

    def advance(number: int) -> bool:
        try:
            return work.advance(number)
        except Exception as error:
            # A failure defers this work alone to the next round.
            log.exception(failed, **{number_is: number}, repeats=(number, first_line(error)))
            return False

    batches, going = 0, work.running()
    while going and not stop.is_set():
        batches += len(going)
        going = [number for number in going if advance(number)]
        stop.wait(PAUSE_BETWEEN_BATCHES_S)
    return batches
