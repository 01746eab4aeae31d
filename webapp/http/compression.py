"""Compression of answers; pages get a random length against BREACH."""

import secrets

from flask import Flask, Response
from flask_compress import Compress

LONGEST_PADDING = 100
# gzip's header: two magic bytes, method, flags, four bytes of time, two more; then a name.
FLAGS_AT, HAS_NAME, NO_TIME, HEADER_BYTES = 3, b"\x08", bytes(4), 10

compress = Compress()


def init_app(app: Flask) -> None:
    """Compress answers. Before what sets ETags: `after_request` runs in reverse order."""
    app.config.update(
        COMPRESS_REGISTER=False,
        COMPRESS_MIMETYPES=[
            *("text/html", "text/css", "text/csv", "text/plain", "text/javascript"),
            *("application/json", "application/javascript", "image/svg+xml"),
        ],
        COMPRESS_ALGORITHM=["gzip"],
        # Files and exports: they hold no secret beside input.
        COMPRESS_ALGORITHM_STREAMING=["zstd", "gzip"],
    )
    compress.init_app(app)
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if response.status_code == 206:
        # Ranges count bytes of the uncompressed file.
        return response
    original = response.response
    response = compress.after_request(response)
    if response.response is not original and hasattr(original, "close"):
        # Otherwise a file would stay open when its content is not read.
        response.call_on_close(original.close)
    is_whole = response.status_code < 300 and not response.is_streamed
    if is_whole and response.content_encoding == "gzip":
        padding = _padding() if response.mimetype == "text/html" else b""
        response.set_data(_add_name(response.get_data(), padding))
    return response


def _padding() -> bytes:
    """Random length: else that of a page reveals its secrets beside input (BREACH)."""
    padding = secrets.token_hex(LONGEST_PADDING)[: secrets.randbelow(LONGEST_PADDING) + 1]
    return padding.encode()


def _add_name(packed: bytes, name: bytes) -> bytes:
    """gzip data with a file name, which readers skip, and no time, so that repeats are equal."""
    head = packed[:FLAGS_AT] + HAS_NAME + NO_TIME + packed[8:HEADER_BYTES]
    return head + name + b"\0" + packed[HEADER_BYTES:]
