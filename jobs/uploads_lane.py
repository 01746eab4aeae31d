"""The uploads lane: confirmed files become tenants batch by batch, whoever died meanwhile."""

import threading

from webapp.logs import get_logger
from webapp.tenants.uploads.service import Uploads

# Between two batches, for others who want to write.
BREATH_S = 0.02

log = get_logger("paratia.uploads")


class UploadLane:
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
            stop.wait(BREATH_S)
