"""A TCP proxy that stands in for the network: tests switch what becomes of the bytes."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from tests.engines.process import free_port

CHUNK = 65_536
DONE_WITHIN_S = 10.0
LOOPBACK = "127.0.0.1"
# SO_LINGER without time: closing sends a reset instead of a farewell.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Address = tuple[str, int] | str


class Mode(StrEnum):
    """What becomes of the bytes, on connections that exist already too."""

    PASS = "pass"
    REFUSE = "refuse"
    RESET = "reset"
    HANG = "hang"
    DELAY = "delay"
    CUT = "cut"
    MUTE = "mute"


class Proxy:
    """Passes a port of the loopback address on to a TCP address, or to a unix socket's path.

    Modes: `refuse` nobody listens; `reset` every connection is reset; `hang` connections are
    taken and all bytes swallowed; `delay` every piece comes late; `cut` requests arrive, and in
    place of the answer the client gets a reset; `mute` requests arrive, the answers are
    swallowed. Back at `pass`, connections that had lost bytes are reset.

    With `tls` it takes TLS alone, and passes on what is inside.

    A thread of its own moves the bytes. All methods but `start` and `stop` may be called from
    any thread, an action's included.
    """

    def __init__(self, upstream: Address, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self._tls = tls
        self._upstream = upstream
        self._mode = Mode.PASS
        self._delay_s = 0.0
        self._pipes: set[_Pipe] = set()
        self._watches: list[_Watch] = []
        self._server: asyncio.Server | None = None
        self._switching: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._run(self._listen())

    def stop(self) -> None:
        self._run(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DONE_WITHIN_S)
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def switch(self, mode: Mode, delay_s: float = 0.0) -> None:
        """Treat every byte so from now on; the delay is for `delay` alone."""
        if threading.current_thread() is self._thread:
            # The piece whose action this is meets the new mode; the rest follows it.
            self._mode, self._delay_s = mode, delay_s
            self._switching = self._loop.create_task(self._switch(mode, delay_s))
        else:
            self._run(self._switch(mode, delay_s))

    def watch(
        self,
        needle: bytes,
        action: Callable[[], object] | None = None,
        *,
        answers: bool = False,
        hold_s: float = 0.0,
    ) -> threading.Event:
        """Act once, at the first piece from the client (or of the answers) with these bytes in it.

        The action runs in the thread that moves the bytes, before the piece goes on; the mode
        that it leaves decides what becomes of the piece. The event is set after the action.
        The piece alone is held for `hold_s`, and goes on even when its client has left.
        """
        watch = _Watch(needle, action, answers, hold_s)
        self._watches.append(watch)
        return watch.seen

    def unwatch(self) -> None:
        self._watches.clear()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, LOOPBACK, self.port, ssl=self._tls)

    def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = None

    async def _shut(self) -> None:
        self._deafen()
        pipes = list(self._pipes)
        for pipe in pipes:
            pipe.reset()
        await asyncio.gather(*(pipe.ended.wait() for pipe in pipes))

    async def _switch(self, mode: Mode, delay_s: float) -> None:
        self._mode, self._delay_s = mode, delay_s
        if mode is Mode.REFUSE:
            self._deafen()
        elif self._server is None:
            await self._listen()
        for pipe in self._pipes:
            if mode in (Mode.REFUSE, Mode.RESET) or (mode is Mode.PASS and pipe.is_torn):
                pipe.reset()

    async def _take(self, requests: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        pipe = _Pipe(client)
        self._pipes.add(pipe)
        try:
            await self._serve(requests, pipe)
            pipe.close()
        except OSError:
            pipe.reset()
        finally:
            self._pipes.discard(pipe)
            pipe.ended.set()

    async def _serve(self, requests: asyncio.StreamReader, pipe: "_Pipe") -> None:
        if self._mode in (Mode.REFUSE, Mode.RESET):
            raise ConnectionAbortedError
        if self._mode is Mode.HANG:
            pipe.is_torn = True
            while await requests.read(CHUNK):
                continue
            return
        answers = await pipe.connect(self._upstream)
        both = [
            asyncio.ensure_future(self._move(requests, pipe.writer_to_server, pipe)),
            asyncio.ensure_future(self._move(answers, pipe.client, pipe, answers=True)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            ends = await asyncio.gather(*both, return_exceptions=True)
        if any(isinstance(end, OSError) for end in ends):
            raise ConnectionAbortedError

    async def _move(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        pipe: "_Pipe",
        *,
        answers: bool = False,
    ) -> None:
        while piece := await source.read(CHUNK):
            await asyncio.sleep(self._look(piece, answers))
            if self._mode is Mode.DELAY:
                await asyncio.sleep(self._delay_s)
            mode = self._mode
            if mode in (Mode.REFUSE, Mode.RESET) or (mode is Mode.CUT and answers):
                raise ConnectionAbortedError
            if mode is Mode.HANG or (mode is Mode.MUTE and answers):
                pipe.is_torn = True
                continue
            sink.write(piece)
            await sink.drain()

    def _look(self, piece: bytes, answers: bool) -> float:
        hold_s = 0.0
        for watch in list(self._watches):
            if watch.answers == answers and watch.needle in piece:
                self._watches.remove(watch)
                if watch.action is not None:
                    watch.action()
                watch.seen.set()
                hold_s = max(hold_s, watch.hold_s)
        return hold_s

    def _run(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(DONE_WITHIN_S)


class _Watch:
    def __init__(
        self,
        needle: bytes,
        action: Callable[[], object] | None,
        answers: bool,
        hold_s: float,
    ) -> None:
        self.needle = needle
        self.action = action
        self.answers = answers
        self.hold_s = hold_s
        self.seen = threading.Event()


class _Pipe:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.is_torn = False
        self.ended = asyncio.Event()
        self._server: asyncio.StreamWriter | None = None

    @property
    def writer_to_server(self) -> asyncio.StreamWriter:
        assert self._server is not None
        return self._server

    async def connect(self, upstream: Address) -> asyncio.StreamReader:
        if isinstance(upstream, str):
            reader, self._server = await asyncio.open_unix_connection(upstream)
        else:
            reader, self._server = await asyncio.open_connection(*upstream)
        return reader

    def close(self) -> None:
        """End both, after what has been written to them."""
        for side in filter(None, (self.client, self._server)):
            side.close()

    def reset(self) -> None:
        """End both at once, with a reset where there is such a thing."""
        for side in filter(None, (self.client, self._server)):
            inner = side.get_extra_info("socket")
            # TLS whose client has gone has none any more.
            if inner and inner.family != socket.AF_UNIX:
                with suppress(OSError):
                    inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            side.transport.abort()
