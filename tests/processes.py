"""Signs of life of processes, as rows that a test stores."""

import json
import secrets
from datetime import timedelta
from typing import Any

from webapp.db.types import utc_now
from webapp.models.control import SWEEP, Heartbeat, Leadership
from webapp.models.process import Process, ProcessKind
from webapp.settings import VERSION


def process(
    kind: ProcessKind = ProcessKind.WORKER, seen_s_ago: float = 0, **values: Any
) -> Process:
    """A process that began an hour before its last sign of life, but for these values."""
    seen_at = utc_now() - timedelta(seconds=seen_s_ago)
    began = seen_at - timedelta(hours=1)
    settings = {"MILVUS_COLLECTION": "aaaaaa", "PARTITION_ATTEMPTS": "bbbbbb"}
    return Process(
        **{
            "name": secrets.token_hex(8),
            "kind": kind,
            "host": "host-1",
            "pid": 4711,
            "release": VERSION,
            "settings": json.dumps(settings | values.pop("settings", {})),
            "started_at": began,
            "seen_at": seen_at,
            "redis": "ok",
            "redis_since": began,
            "activity": None,
        }
        | values
    )


def all_alive(seen_s_ago: float = 0) -> list[Any]:
    """One process of each kind, and a reconciler that did its work then."""
    at = utc_now() - timedelta(seconds=seen_s_ago)
    return [
        *(process(kind, seen_s_ago, name=f"the-{kind}") for kind in ProcessKind),
        *(Heartbeat(name=name, at=at) for name in ("due", "activity")),
        Leadership(name=SWEEP, finished_at=at),
    ]
