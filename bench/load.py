"""Sends requests over several connections at once, each as soon as the last one is answered."""

import http.client
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.figures import percentile

CREATED = 201
ANSWER_WITHIN_S = 30.0


@dataclass(frozen=True)
class Load:
    """What the callers saw; times in seconds."""

    rate: float
    p50: float
    p99: float


def post_tenants(port: int, token: str, connections: int, seconds: float) -> Load:
    """Create tenants over so many connections for so many seconds.

    Raises:
        RuntimeError: an answer was not 201, so the figures would be of something else.
    """
    started = time.monotonic()
    with ThreadPoolExecutor(connections) as callers:
        calls = [
            callers.submit(_post_until, started + seconds, port, token) for _ in range(connections)
        ]
        taken = [value for call in calls for value in call.result()]
    elapsed = time.monotonic() - started
    return Load(len(taken) / elapsed, percentile(taken, 0.5), percentile(taken, 0.99))


def _post_until(ends_at: float, port: int, token: str) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WITHIN_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    taken = []
    try:
        while (started := time.monotonic()) < ends_at:
            # Names of customers differ; the same one again and again would measure only how
            # the product looks for a free slug.
            body = json.dumps({"name": f"Customer {secrets.token_hex(6)}"})
            connection.request("POST", "/api/tenants", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != CREATED:
                raise RuntimeError(f"{answer.status}: {text[:300].decode(errors='replace')}")
            taken.append(time.monotonic() - started)
    finally:
        connection.close()
    return taken
