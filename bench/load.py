"""Sends requests over several connections at once, each as soon as the last one is answered."""

import http.client
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.figures import Measured, percentile

CREATED = 201
ANSWER_WITHIN_S = 30.0


@dataclass(frozen=True)
class Call:
    """A tenant that was created: its number, when it was asked for (Unix time), and how long."""

    tenant_id: int
    asked_at: float
    seconds: float


class Caller:
    """One connection to the API."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WITHIN_S)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def create(self) -> Call:
        """Create a tenant.

        Raises:
            RuntimeError: the answer was not 201, so the figures would be of something else.
        """
        # Names of customers differ; the same one again and again would measure only how the
        # product looks for a free slug.
        body = json.dumps({"name": f"Customer {secrets.token_hex(6)}"})
        asked_at, started = time.time(), time.monotonic()
        self._connection.request("POST", "/api/tenants", body, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        seconds = time.monotonic() - started
        if answer.status != CREATED:
            raise RuntimeError(f"{answer.status}: {text[:300].decode(errors='replace')}")
        return Call(json.loads(text)["id"], asked_at, seconds)

    def close(self) -> None:
        self._connection.close()


def post_tenants(port: int, token: str, connections: int, seconds: float) -> list[Call]:
    """Create tenants over so many connections for so many seconds."""
    ends_at = time.monotonic() + seconds
    with ThreadPoolExecutor(connections) as callers:
        calls = [callers.submit(_post_until, ends_at, port, token) for _ in range(connections)]
        return [one for call in calls for one in call.result()]


def latencies(calls: list[Call], seconds: float) -> Measured:
    """What the callers saw in so many seconds."""
    taken = [call.seconds for call in calls]
    return {
        "rate": len(taken) / seconds,
        "p50": percentile(taken, 0.5),
        "p99": percentile(taken, 0.99),
    }


def _post_until(ends_at: float, port: int, token: str) -> list[Call]:
    caller, calls = Caller(port, token), []
    try:
        while time.monotonic() < ends_at:
            calls.append(caller.create())
    finally:
        caller.close()
    return calls
