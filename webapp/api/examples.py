"""Examples for the API's description."""

from typing import Any

NEW_TENANT = {"name": "Acme S.p.A."}
NEW_TENANTS = {"tenants": [NEW_TENANT, {"name": "Acme Group", "slug": "acme"}]}

_TENANT: dict[str, Any] = {
    "id": 7,
    "name": "Acme S.p.A.",
    "slug": "acme-s-p-a",
    "status": "active",
    "created_at": "2026-03-01T09:30:00.120000Z",
}
_PARTITION: dict[str, Any] = {
    "collection": "kb_chunks_v1",
    "name": "tenant_7",
    "status": "pending",
    "provider": None,
    "result": None,
    "attempts": 0,
    "cause": None,
    "error": None,
    "requested_at": "2026-03-01T09:30:00.120000Z",
    "last_requested_at": "2026-03-01T09:30:00.120000Z",
    "waiting_since": "2026-03-01T09:30:00.120000Z",
    "ready_at": None,
    "verified_at": None,
    "remove_at": None,
    "rows_lost_at": None,
}
_DONE = {
    "status": "ready",
    "provider": "sdk",
    "result": "created",
    "attempts": 1,
    "waiting_since": None,
    "ready_at": "2026-03-01T09:30:00.140000Z",
    "verified_at": "2026-03-01T09:30:00.140000Z",
}

PENDING = {**_TENANT, "partition": _PARTITION}
READY: dict[str, Any] = {**_TENANT, "partition": {**_PARTITION, **_DONE}}

REMOVING = {
    **READY,
    "status": "deleted",
    "partition": {**READY["partition"], "status": "removing", "remove_at": "2026-03-09T08:00:00Z"},
}

DEPARTURE = {
    "tenant_id": 7,
    "name": "Acme S.p.A.",
    "slug": "acme-s-p-a",
    "collection": "kb_chunks_v1",
    "partition": "tenant_7",
    "status": "removed",
    "requested_at": "2026-03-02T08:00:00Z",
    "requested_by": "token:crm",
    "request_id": "5f2c",
    "remove_at": "2026-03-09T08:00:00Z",
    "rows": 1250,
    "counted_at": "2026-03-09T08:00:00.300000Z",
    "dropped_at": "2026-03-09T08:00:00.350000Z",
    "confirmed_at": "2026-03-09T08:00:00.350000Z",
    "outcome": "dropped",
    "real_collection": "kb_chunks_v1",
}

BULK = {
    "results": [
        {"index": 0, "status": 201, "tenant": PENDING},
        {
            "index": 1,
            "status": 409,
            "error": {
                "type": "about:blank",
                "title": "Conflict",
                "status": 409,
                "detail": "the slug acme is taken by another tenant",
                "code": "slug_taken",
            },
        },
    ]
}

EVENT = {
    "event": "milvus.partition.created",
    "at": "2026-03-01T09:30:00.140000Z",
    "attempt": 1,
    "provider": "sdk",
    "cause": None,
    "message": None,
    "duration_ms": 8,
    "job_id": "t7-g1-d1",
    "actor": None,
    "count": 1,
    "first_at": None,
}

SUMMARY = {
    "tenants": 12,
    "states": {
        "pending": 0,
        "provisioning": 1,
        "ready": 9,
        "missing": 0,
        "failed": 1,
        "removing": 0,
        "removed": 0,
    },
    "causes": {"capacity": 1},
    "trying_again": 0,
    "waiting_since": "2026-03-01T08:12:00.500000Z",
    "without_wish": 1,
    "rows_lost": 0,
    "brakes": [],
    "restored": None,
    "collections": [
        {
            "collection": "kb_chunks_v1",
            "used": 10,
            "limit": 1024,
            "left": 1014,
            "observed_at": "2026-03-01T09:30:10Z",
            "answered_at": "2026-03-01T09:30:10Z",
            "cause": None,
            "error": None,
            "latency_ms": 3,
            "canary": {
                "at": "2026-03-01T09:00:00Z",
                "outcome": "passed",
                "message": "6 rows were found through their own partition only",
            },
        }
    ],
    "circuit": {"is_open": False, "since": None, "cause": None, "message": None},
    "paused": None,
}

PAUSE = {"reason": "Upgrade of Milvus"}
PAUSED = {"paused": {"since": "2026-03-01T09:30:00Z", "by": "token:crm", **PAUSE}}
RUNNING: dict[str, Any] = {"paused": None}

DRIFT = {
    "drift": True,
    "counts": {
        "missing": 0,
        "orphan": 1,
        "resurrected": 0,
        "stuck": 0,
        "adopted": 0,
        "acknowledged": 0,
        "other": 0,
    },
    "missing": [],
    "orphan": [
        {
            "tenant_id": None,
            "collection": "kb_chunks_v1",
            "partition": "tenant_90",
            "rows": None,
            "note": "no tenant has this number",
        }
    ],
    "resurrected": [],
    "stuck": [],
    "adopted": [],
    "acknowledged": [],
    "other": [],
    "collections": [
        {"collection": "kb_chunks_v1", "partitions": 10, "compared_at": "2026-03-01T09:30:10Z"}
    ],
}

ORPHAN_PLACE = {"collection": "kb_chunks_v1", "partition": "tenant_90"}
ORPHAN_ADOPTION = {**ORPHAN_PLACE, "name": "Acme S.p.A."}
ORPHAN_DROP = {**ORPHAN_PLACE, "typed": "tenant_90"}
ORPHAN: dict[str, Any] = {
    "kind": "orphan",
    **ORPHAN_PLACE,
    "rows": 1250,
    "counted_at": "2026-03-01T10:00:01Z",
    "note": "no tenant has this number",
    "first_seen_at": "2026-03-01T09:30:10Z",
    "acknowledged_at": None,
    "acknowledged_by": None,
    "acknowledged_reason": None,
}
ACKNOWLEDGED = {
    **ORPHAN,
    "kind": "acknowledged",
    "acknowledged_at": "2026-03-01T10:05:00Z",
    "acknowledged_by": "token:crm",
    "acknowledged_reason": "Archive",
}
COUNT_REQUESTED: dict[str, Any] = {
    **ORPHAN_PLACE,
    "action": "count",
    "asked_at": "2026-03-01T10:00:00Z",
    "asked_by": "token:crm",
    "finished_at": None,
    "outcome": None,
    "rows": None,
    "counted_at": None,
    "message": None,
}
DROP_REQUESTED = {**COUNT_REQUESTED, "action": "drop"}
COUNTED = {
    **COUNT_REQUESTED,
    "finished_at": "2026-03-01T10:00:01Z",
    "outcome": "counted",
    "rows": 1250,
    "counted_at": "2026-03-01T10:00:01Z",
}
ORPHANS = {"orphans": [ORPHAN], "requests": [COUNTED]}

AUDIT_ENTRY = {
    "id": 118,
    "at": "2026-03-01T10:02:00.500000Z",
    "actor": "user:ops@example.com",
    "via": "panel",
    "address": "192.0.2.7",
    "action": "tenant.rename",
    "tenant_id": 7,
    "target": None,
    "before": {"name": "Acme", "slug": "acme"},
    "after": {"name": "Acme S.p.A.", "slug": "acme"},
    "request_id": "5f2c",
}

HEALTH = {
    "status": "danger",
    "at": "2026-03-01T09:31:00Z",
    "conditions": [
        {
            "key": "milvus_down",
            "severity": "danger",
            "subject": None,
            "since": "2026-03-01T09:30:05Z",
            "count": 3,
            "sentence": "Milvus does not answer (Milvus unreachable); 3 tenants wait.",
            "what_to_do": "Restore Milvus or the network; all waiting tenants go on by themselves.",
            "passes_by_itself": False,
            "runbook": "docs/operations.md#milvus_down",
        }
    ],
    "processes": [
        {
            "kind": "worker",
            "host": "app-1",
            "pid": 4711,
            "release": "0.1.0",
            "started_at": "2026-03-01T08:00:00Z",
            "seen_at": "2026-03-01T09:30:58Z",
            "is_silent": False,
            "activity": None,
            "active_since": None,
        }
    ],
}
BRAKE = {
    "collection": "kb_chunks_v1",
    "reason": "partitions_gone",
    "since": "2026-03-01T09:30:00.120000Z",
    "gone": 135,
    "proven": 135,
    "acknowledged_at": None,
    "acknowledged_by": None,
}

RESTORED = {"at": "2026-03-01T09:30:00.120000Z", "reason": "numbers_went_back", "is_compared": True}
