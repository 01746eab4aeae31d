"""Waits for the embedded Milvus and makes or loads its collection: `-m jobs.milvus.embedded`."""

import argparse
import sys
import time

from jobs.milvus.client import create_collection_if_missing
from jobs.milvus.store import StoreError

PAUSE_S = 0.1
CALL_TIMEOUT_S = 10.0


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 once the collection is there and loaded, 1 when that failed in time."""
    parser = argparse.ArgumentParser(prog="python -m jobs.milvus.embedded", description=__doc__)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--collection", required=True)
    parser.add_argument("--wait", type=float, default=60.0, help="seconds")
    args = parser.parse_args(argv)
    try:
        ensure_collection(args.uri, args.collection, args.wait)
    except StoreError as error:
        print(f"collection {args.collection}: {error.message}", file=sys.stderr)
        return 1
    return 0


def ensure_collection(uri: str, collection: str, wait_s: float) -> None:
    """Make or load the collection as soon as Milvus answers.

    Raises:
        StoreError: of the last attempt, when the time is up or waiting cannot help.
    """
    ends_at = time.monotonic() + wait_s
    while True:
        try:
            create_collection_if_missing(uri, "", collection, CALL_TIMEOUT_S)
        except StoreError as error:
            if not error.cause.is_transient or time.monotonic() >= ends_at:
                raise
        else:
            return
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    sys.exit(main())
