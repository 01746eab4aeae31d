"""What is long enough goes out compressed, and each page with a length that tells nothing."""

import secrets

from flask import Flask, Response
from flask_compress import Compress

LONGEST_PADDING = 100
# gzip's header has ten bytes: two magic, the method, flags, four of time, two more; then a name.
FLAGS_AT, HAS_NAME, NO_TIME, HEADER_BYTES = 3, b"\x08", bytes(4), 10

compress = Compress()


def init_app(app: Flask) -> None:
    """Compress answers. Must come before what sets their ETags: the last to come is asked first."""
    app.config.update(
        COMPRESS_REGISTER=False,
        COMPRESS_MIMETYPES=[
            *("text/html", "text/css", "text/csv", "text/plain", "text/javascript"),
            *("application/json", "application/javascript", "image/svg+xml"),
        ],
        COMPRESS_ALGORITHM=["gzip"],
        # Files and exports: none of them holds a secret beside what a visitor wrote.
        COMPRESS_ALGORITHM_STREAMING=["zstd", "gzip"],
    )
    compress.init_app(app)
    app.after_request(_compressed)


def _compressed(response: Response) -> Response:
    if response.status_code == 206:
        # A part of a file is counted in bytes of the file.
        return response
    sent = response.response
    response = compress.after_request(response)
    if response.response is not sent and hasattr(sent, "close"):
        # A file stays open otherwise, where its content is not asked for in the end.
        response.call_on_close(sent.close)
    is_whole = response.status_code < 300 and not response.is_streamed
    if is_whole and response.content_encoding == "gzip":
        padding = _padding() if response.mimetype == "text/html" else b""
        response.set_data(_named(response.get_data(), padding))
    return response


def _padding() -> bytes:
    """Of random length: a page holds secrets beside what an address put into it.

    How well they compress together would tell them apart, byte by byte (BREACH).
    """
    padding = secrets.token_hex(LONGEST_PADDING)[: secrets.randbelow(LONGEST_PADDING) + 1]
    return padding.encode()


def _named(packed: bytes, name: bytes) -> bytes:
    """The same with a file's name, which readers skip, and no time: a repeat is byte for byte."""
    head = packed[:FLAGS_AT] + HAS_NAME + NO_TIME + packed[8:HEADER_BYTES]
    return head + name + b"\0" + packed[HEADER_BYTES:]
