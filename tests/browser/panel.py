"""The panel served by the process that tests, on a real database and Redis; no worker runs.

What a worker would write, a test writes by the worker's own means: `ready`, `failed`.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from apiflask import APIFlask
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.access import PASSWORD, add_user, close, migrated_app, settings_in
from tests.browser.login import EMAIL
from tests.factories import ACTOR, FaultyStore, Product
from webapp.auth.roles import Role
from webapp.extensions import db
from webapp.logs import configure_logging
from webapp.models.causes import Cause


class Panel:
    """A served application. `url` is where it answers, `rows` what it shows."""

    password = PASSWORD

    def __init__(self, app: APIFlask, url: str) -> None:
        self.app, self.url = app, url
        with app.app_context():
            self.rows = Product(app.extensions["settings"], db.engine)

    def create(self, name: str) -> int:
        """A tenant whose partition is pending; its number."""
        return self.rows.create(name).id

    def ready(self, name: str) -> int:
        number = self.create(name)
        self.rows.make_ready(number)
        return number

    def failed(self, *names: str, cause: Cause = Cause.TIMEOUT) -> list[int]:
        numbers = [self.create(name) for name in names]
        for number in numbers:
            self.rows.fail(number, cause, f"t{number}-g1-d1")
        return numbers

    def delete(self, number: int) -> None:
        """Let a tenant go; its partition stays for the days of grace."""
        self.rows.services.tenants.delete(number, actor=ACTOR)

    def count(self) -> None:
        """Let the charts know of what has happened, as the reconciler does."""
        self.rows.reconciler(FaultyStore()).count(Event())

    def state(self, number: int) -> str:
        return str(self.rows.row(number).state)

    def named(self, name: str) -> list[int]:
        with self.rows.engine.connect() as connection:
            found = "SELECT id FROM tenant WHERE name = ?"
            return list(connection.exec_driver_sql(found, (name,)).scalars())


class Silent(WSGIRequestHandler):
    """Notes no request; keeps connections, as gunicorn does."""

    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path, redis_url: str, **more: Any) -> Iterator[Panel]:
    """An empty panel with one admin and these settings, on a free port."""
    queue = f"q{secrets.token_hex(6)}"
    more |= {"redis_url": redis_url, "partition_queue": queue, "partition_attempts": 1}
    settings = settings_in(folder, **more)
    # As the product logs; the library's own renderer takes longer than many a page.
    configure_logging(settings, "stderr")
    app = migrated_app(settings)
    add_user(app, Role.ADMIN, EMAIL)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Panel(app, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        close(app)
