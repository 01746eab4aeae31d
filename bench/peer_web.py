"""The bare application that the API is measured against: one insert, one enqueue, no more."""

import secrets
import threading
from typing import Any

from flask import Flask, request
from redis import Redis
from rq import Queue


def create_app(database: str, redis_url: str, queue_name: str) -> Flask:
    """`POST /api/tenants` without login, validation, events, logs or proof."""
    app = Flask(__name__)
    queue = Queue(queue_name, connection=Redis.from_url(redis_url))
    mine = threading.local()

    @app.post("/api/tenants")
    def create() -> tuple[dict[str, Any], int]:
        name = request.get_json()["name"]
        if not hasattr(mine, "connection"):
            mine.connection = ledger.connect(database)
        number = ledger.insert(mine.connection, name, secrets.token_hex(8))
        queue.enqueue("bench.peer_jobs.provision", database, "", "", number)
        return {"id": number, "name": name}, 201

    return app
