"""Waits for the embedded Milvus and makes or loads its collection: `-m jobs.milvus.embedded`."""

import argparse
import json
import sys
import time
from datetime import UTC, datetime

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
        created = ensure_collection(args.uri, args.collection, args.wait)
    except StoreError as error:
        failure = {"cause": error.cause, "message": error.message}
        _log("milvus.collection.create_failed", "error", args.collection, **failure)
        print(f"collection {args.collection}: {error.message}", file=sys.stderr)
        return 1
    event = "milvus.collection.created" if created else "milvus.collection.already_exists"
    _log(event, "info", args.collection)
    return 0


def ensure_collection(uri: str, collection: str, wait_s: float) -> bool:
    """Make or load the collection as soon as Milvus answers; True when it was missing.

    Raises:
        StoreError: of the last attempt, when the time is up or waiting cannot help.
    """
    ends_at = time.monotonic() + wait_s
    while True:
        try:
            return create_collection_if_missing(uri, "", collection, CALL_TIMEOUT_S)
        except StoreError as error:
            if not error.cause.is_transient or time.monotonic() >= ends_at:
                raise
        time.sleep(PAUSE_S)


def _log(event: str, level: str, collection: str, **fields: str) -> None:
    timestamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = {"event": event, "timestamp": timestamp, "level": level, "collection": collection}
    print(json.dumps(line | fields), flush=True)


if __name__ == "__main__":
    sys.exit(main())
