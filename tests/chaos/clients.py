"""Clients that sign tenants up, by the API and by the panel's form."""

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import httpx

from tests.acceptance.product import Product, csrf_token
from tests.chaos.promises import Answer, Creation, Promises

ANSWER_WITHIN_S = 40.0
NEW = "/admin/tenant/new/"
CREATED = re.compile(r"/admin/tenant/details/\?id=(\d+)$")


class Client(Protocol):
    def create(self, name: str) -> Creation:
        """Ask for a tenant of that name, and tell what came back."""

    def close(self) -> None:
        """Hang up."""


class ApiClient:
    """A program with a token."""

    def __init__(self, url: str, token: str, *, verify: bool = True) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=ANSWER_WITHIN_S, verify=verify
        )

    def create(self, name: str, key: str | None = None) -> Creation:
        """Post it, under an Idempotency-Key where one is given."""
        headers = {"Idempotency-Key": key} if key else {}
        began = time.monotonic()
        try:
            answer = self._http.post("/api/tenants", json={"name": name}, headers=headers)
            tenant_id = int(answer.json()["id"]) if answer.status_code == 201 else None
        except httpx.TransportError:
            return Creation(name, Answer.UNKNOWN, time.monotonic() - began)
        return _answered(name, tenant_id, answer.status_code, began)

    def delete(self, tenant_id: int) -> bool:
        """Ask a tenant to go; False when there was no answer to that."""
        try:
            return self._http.delete(f"/api/tenants/{tenant_id}").status_code == 202
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self._http.close()


class FormClient:
    """A person at the panel, logged in, who fills in the form."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._http = httpx.Client(base_url=product.url, timeout=ANSWER_WITHIN_S)
        form = {"email": "admin@example.com", "password": product.password}
        page = self._http.get("/login")
        answer = self._http.post("/login", data=form | {"csrf_token": csrf_token(page.text)})
        if answer.status_code != 302:
            raise RuntimeError(f"the login was answered with {answer.status_code}")
        self._csrf_token = csrf_token(self._http.get(NEW).text)

    def create(self, name: str) -> Creation:
        """Send the form; what follows a success is the way to the new tenant's page."""
        form = {"name": name, "slug": "", "csrf_token": self._csrf_token}
        began = time.monotonic()
        try:
            answer = self._http.post(NEW, data=form)
        except httpx.TransportError:
            return Creation(name, Answer.UNKNOWN, time.monotonic() - began)
        made = CREATED.search(answer.headers.get("Location", ""))
        return _answered(name, int(made[1]) if made else None, answer.status_code, began)

    def close(self) -> None:
        self._http.close()


def _answered(name: str, tenant_id: int | None, status: int, began: float) -> Creation:
    answer = Answer.REFUSED if tenant_id is None else Answer.ACKNOWLEDGED
    return Creation(name, answer, time.monotonic() - began, tenant_id, status)


def new_name() -> str:
    return f"Customer {secrets.token_hex(6)}"


def create_and_delete(
    product: Product, promises: Promises, times: int, rest: Callable[[], None]
) -> None:
    """So many sign-ups, each followed by a deletion after a rest."""
    client = ApiClient(product.url, product.token)
    for _ in range(times):
        made = client.create(new_name())
        promises.note(made)
        rest()
        if made.tenant_id and client.delete(made.tenant_id):
            promises.note_deletion(made.tenant_id)
    client.close()


@contextmanager
def callers(product: Product, programs: int = 3) -> Iterator[list[Client]]:
    """So many programs, and one person who is logged in."""
    clients: list[Client] = [FormClient(product)]
    clients += [ApiClient(product.url, product.token) for _ in range(programs)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


@contextmanager
def signing_up(clients: Sequence[Client], promises: Promises, rest_s: float) -> Iterator[None]:
    """While the block runs, each of them signs tenants up, with a rest after each answer."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=_sign_up, args=(client, promises, rest_s, stop))
        for client in clients
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _sign_up(client: Client, promises: Promises, rest_s: float, stop: threading.Event) -> None:
    while not stop.is_set():
        promises.note(client.create(new_name()))
        stop.wait(rest_s)
