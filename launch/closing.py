"""How gunicorn's port is closed: what has connected is served, what comes later is refused.

Linux resets the connections that wait in a listener's queue when it is closed, though they may have
sent a request. A proxy cannot know whether that one was processed, and answers 502. What is refused
before it was sent goes to the next instance.
"""

import ctypes
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

# Time for handshakes that have begun, and for the workers to accept what they have connected. Less
# than the second after which a client sends its SYN again, and is then refused.
CONNECTED_WITHIN_S = 0.5
# Of Linux. Its filter sees a segment from its TCP header on.
SO_ATTACH_FILTER = 26
FLAGS, SYN = 13, 0x02
# Classic BPF: code, jump if true, jump if false, operand.
DROPS_SYN = (
    (0x30, 0, 0, FLAGS),  # load the byte of the flags
    (0x45, 0, 1, SYN),  # is this one set?
    (0x06, 0, 0, 0),  # keep 0 bytes: drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # keep all
)


def close_without_loss(server: Any) -> None:
    """Let this master of gunicorn take no more connections before it stops its workers."""
    stop = server.stop

    def refuse_and_stop(graceful: bool = True) -> None:
        # Of a listener that another process keeps (systemd, a new master) nothing is lost.
        is_ours = not (server.systemd or server.reexec_pid or server.master_pid)
        if graceful and is_ours and server.LISTENERS:
            refuse_connections(server.LISTENERS)
            time.sleep(CONNECTED_WITHIN_S)
        stop(graceful)

    server.stop = refuse_and_stop


def refuse_connections(listeners: Iterable[Any]) -> None:
    """Drop what would begin a connection to these, in all processes that share them."""
    code = b"".join(struct.pack("HBBI", *each) for each in DROPS_SYN)
    memory = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HL", len(DROPS_SYN), ctypes.addressof(memory))
    for each in listeners:
        # Without filters in the kernel there is a moment in which a connection can be lost.
        with suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
