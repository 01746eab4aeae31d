"""The gunicorn worker: threads that no client can hold for long, and our headers on all it says."""

import errno
import socket
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from gunicorn import util
from gunicorn.http import get_parser
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from webapp.http.headers import bare_answer

# A whole request, its body included, must be here within this time. A proxy in front sends one
# at once; a browser beside us sends 4 MB in less.
REQUEST_WITHIN_S = 10.0
# A client that takes nothing of an answer for so long gets no more of it.
ANSWER_TAKEN_WITHIN_S = 30.0
# After the last answer a client has this time to close, or a reset could cost it the answer.
CLOSED_WITHIN_S = 2.0


class TimedUnreader(SocketUnreader):  # type: ignore[misc]
    """Reads one request after the other, and gives each of them the same time."""

    ends_at = 0.0
    gave_up = False

    def begin(self) -> None:
        """The time of a request starts."""
        self.ends_at = time.monotonic() + REQUEST_WITHIN_S

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next bytes; to gunicorn and the application, a slow client is one that left."""
        self.sock.settimeout(max(self.ends_at - time.monotonic(), 0.001))
        try:
            piece: bytes = super().chunk(size_hint)
        except TimeoutError as error:
            self.gave_up = True
            raise NoMoreData from error
        finally:
            self.sock.settimeout(ANSWER_TAKEN_WITHIN_S)
        return piece


class BodyReader:
    """Reads a body. To the application, one that cannot be read is a client that left."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        """The next bytes of the body, at most `size`."""
        try:
            piece: bytes = self._reader.read(size)
        except ParseException as error:
            raise OSError(errno.EBADMSG, str(error)) from error
        return piece


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker with threads; what is overridden here is the API of gunicorn 27.

    It speaks no TLS: that is the proxy's.
    """

    def enqueue_req(self, conn: Any) -> None:
        """Give a thread to a connection that has sent something; a silent one waits without."""
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        silent: Future[object] = Future()
        silent.set_result(_DEFER)
        self.finish_request(conn, silent)

    def handle(self, conn: Any) -> Any:
        """Serve one request, whose time starts now."""
        if conn.parser is None:
            conn.parser = get_parser(self.cfg, conn.sock, conn.client)
            conn.parser.unreader = TimedUnreader(conn.sock)
        conn.parser.unreader.begin()
        is_kept = super().handle(conn)
        if not is_kept:
            _take_leave(conn.sock, waits=not conn.parser.unreader.gave_up)
        return is_kept

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer. A client that does not take the answer counts as one that left."""
        req.body.reader = BodyReader(req.body.reader)
        # A request that came together with the one before it was read without waiting.
        conn.sock.settimeout(ANSWER_TAKEN_WITHIN_S)
        try:
            return super().handle_request(req, conn)
        except TimeoutError as error:
            raise BrokenPipeError(errno.EPIPE, "the answer was not taken") from error

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Refuse what gunicorn itself refuses, in an answer of our own with its status."""
        inner, outer = socket.socketpair()
        with inner, outer:
            super().handle_error(req, inner, addr, exc)
            inner.shutdown(socket.SHUT_WR)
            status = int(outer.recv(65_536).split(maxsplit=2)[1])
        path = getattr(req or getattr(exc, "req", None), "path", None) or ""
        with suppress(OSError):
            util.write_nonblock(client, _bare_answer(status, path))


def _take_leave(client: socket.socket, *, waits: bool) -> None:
    """Let the client close first; gunicorn would wait for that in the loop that serves all."""
    ends_at = time.monotonic() + (CLOSED_WITHIN_S if waits else 0.0)
    with suppress(OSError):
        client.shutdown(socket.SHUT_WR)
        while (left := ends_at - time.monotonic()) > 0:
            client.settimeout(left)
            if not client.recv(65_536):
                break
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


def _bare_answer(status: int, path: str) -> bytes:
    answer = bare_answer(status, path)
    lines = [f"HTTP/1.1 {answer.status}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    body: bytes = answer.get_data()
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
