"""The bare application that the API is measured against: one insert, one enqueue, no more."""

import os
import secrets
import threading
from typing import Any

from flask import Flask, request

from bench.peers.rows import Rows
from bench.peers.rq_app import enqueue


def create_app() -> Flask:
    """`POST /api/tenants` without login, validation, events, logs or proof."""
    app = Flask(__name__)
    mine = threading.local()

    @app.post("/api/tenants")
    def create() -> tuple[dict[str, Any], int]:
        name = request.get_json()["name"]
        if not hasattr(mine, "rows"):
            mine.rows = Rows(os.environ["BENCH_DATABASE"])
        number = mine.rows.insert(name, secrets.token_hex(8))
        enqueue(number)
        return {"id": number, "name": name}, 201

    return app
