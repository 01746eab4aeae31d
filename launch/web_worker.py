"""The gunicorn worker: no client can hold a thread for long, and errors carry our headers."""

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

# A whole request, body included, must arrive within this time. A proxy sends it at once; a local
# browser sends 4 MB in less.
REQUEST_WITHIN_S = 10.0
# A client that reads nothing of an answer for this long gets no more of it.
ANSWER_TAKEN_WITHIN_S = 30.0
# Time for the client to close after the last answer; a reset could lose it.
CLOSED_WITHIN_S = 2.0


class TimedUnreader(SocketUnreader):  # type: ignore[misc]
    """Reads requests of a connection, each within the same time."""

    ends_at = 0.0
    gave_up = False

    def begin(self) -> None:
        self.ends_at = time.monotonic() + REQUEST_WITHIN_S

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next bytes; a client that is too slow counts as disconnected."""
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
    """Reads a body; the application sees an unreadable one as a disconnected client."""

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
    """gunicorn's threaded worker, without TLS; overrides are the API of gunicorn 27."""

    def set_accept_enabled(self, enabled: bool) -> None:
        """When it stops, close the port before the last requests are answered."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()

    def enqueue_req(self, conn: Any) -> None:
        """Give a thread to a connection once it has sent data; when it stops, at once."""
        if conn.initialized or conn.data_ready or not self.alive:
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
            _close(conn.sock, waits=not conn.parser.unreader.gave_up)
        return is_kept

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer. A client that does not read the answer counts as disconnected."""
        req.body.reader = BodyReader(req.body.reader)
        # A pipelined request was read already, and has not set the time-out.
        conn.sock.settimeout(ANSWER_TAKEN_WITHIN_S)
        try:
            return super().handle_request(req, conn)
        except TimeoutError as error:
            raise BrokenPipeError(errno.EPIPE, "the answer was not taken") from error

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer gunicorn's own errors with our headers, and its status."""
        inner, outer = socket.socketpair()
        with inner, outer:
            super().handle_error(req, inner, addr, exc)
            inner.shutdown(socket.SHUT_WR)
            status = int(outer.recv(65_536).split(maxsplit=2)[1])
        path = getattr(req or getattr(exc, "req", None), "path", None) or ""
        with suppress(OSError):
            util.write_nonblock(client, _bare_answer(status, path))


def _close(client: socket.socket, *, waits: bool) -> None:
    """Let the client close first; gunicorn would wait for that in its main loop."""
    ends_at = time.monotonic() + (CLOSED_WITHIN_S if waits else 0.0)
    with suppress(OSError):
        client.shutdown(socket.SHUT_WR)
        while (remaining_s := ends_at - time.monotonic()) > 0:
            client.settimeout(remaining_s)
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
