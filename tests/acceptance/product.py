"""The running product, seen from outside: its processes, API, commands and logs."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.running import NAMES, ROOT, Run, environment, running
from tests.engines.process import wait_until

ANSWER_WITHIN_S = 30


class Product:
    """A run of the product, with what a user of it would do."""

    def __init__(self, run: Run, password: str, settings: dict[str, str]) -> None:
        self.run = run
        self.var_dir = run.var_dir
        self.url = f"http://127.0.0.1:{run.port}"
        self.password = password
        self.environment = environment(run.var_dir, run.port, **settings)
        self._token: str | None = None

    def signal(self, part: str, number: signal.Signals) -> None:
        for pid in self.run.pids(part):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def kill(self, part: str) -> None:
        self.signal(part, signal.SIGKILL)

    @contextmanager
    def frozen(self, part: str) -> Iterator[None]:
        self.signal(part, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(part, signal.SIGCONT)

    def flask(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the product as in a second terminal."""
        done = subprocess.run(
            [str(Path(sys.executable).parent / "flask"), *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    @cached_property
    def config(self) -> dict[str, Any]:
        settings: dict[str, Any] = json.loads(self.flask("config", "--json").stdout)
        return settings

    @property
    def token(self) -> str:
        """An API token with every right, made by the command line."""
        if self._token is None:
            name = f"test-{secrets.token_hex(4)}"
            made = self.flask("tokens", "create", "--name", name, "--role", "admin")
            self._token = made.stdout.splitlines()[-1]
        return self._token

    def api(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        given = {"timeout": ANSWER_WITHIN_S} | options
        return httpx.request(method, self.url + path, headers=headers, **given)

    def create(self, name: str = "Acme") -> dict[str, Any]:
        """Create a tenant; returns it as the API answered."""
        answer = self.api("POST", "/api/tenants", json={"name": name})
        assert answer.status_code == 201, answer.text
        tenant: dict[str, Any] = answer.json()
        return tenant

    def tenant(self, tenant_id: int) -> dict[str, Any]:
        tenant: dict[str, Any] = self.api("GET", f"/api/tenants/{tenant_id}").json()
        return tenant

    def await_state(self, tenant_id: int, state: str, within_s: float = 60) -> dict[str, Any]:
        """The tenant, once its partition is in that state."""

        def reached() -> dict[str, Any] | None:
            try:
                tenant = self.tenant(tenant_id)
            except httpx.TransportError:
                return None
            return tenant if tenant["partition"]["status"] == state else None

        found = wait_until(reached, within_s, f"tenant {tenant_id} to be {state}")
        assert found is not None
        return found

    def events(self, tenant_id: int) -> list[dict[str, Any]]:
        """A tenant's timeline, oldest first."""
        answer = self.api("GET", f"/api/tenants/{tenant_id}/events?limit=200")
        events: list[dict[str, Any]] = answer.json()["items"]
        return events[::-1]

    def logged(self, part: str, event: str) -> list[dict[str, Any]]:
        lines = (self.var_dir / "log" / f"{part}.log").read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if entry.get("event") == event]

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        with httpx.Client(
            base_url=self.url, follow_redirects=True, timeout=ANSWER_WITHIN_S
        ) as client:
            form = {
                "email": "admin@example.com",
                "password": self.password,
                "csrf_token": csrf_token(client.get("/login").text),
            }
            answer = client.post("/login", data=form)
            assert answer.url.path == "/admin/", answer.text
            yield client


@contextmanager
def running_product(var_dir: Path, **settings: str) -> Iterator[Product]:
    """The product, serving, with an admin whose password is known."""
    password = secrets.token_urlsafe(12)
    settings = {"ADMIN_PASSWORD": password} | settings
    with running(var_dir, **settings) as run:
        product = Product(run, password, settings)
        try:
            yield product
        finally:
            for part in NAMES:
                product.signal(part, signal.SIGCONT)


def csrf_token(page: str) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found, page
    return found.group(1)
