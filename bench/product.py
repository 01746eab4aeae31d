"""The product as it is installed: settings, database, application, and its own worker."""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr
from pathlib import Path
from uuid import uuid4

from apiflask import APIFlask
from flask_migrate import upgrade
from webapp.csv_import.parsing import FileRow
from webapp.db.session import Database
from webapp.models.audit import Actor, Via
from webapp.partitions.backfill import Backfill
from webapp.services import Services

from bench.engines import Engines
from bench.processes import gunicorn, queue_worker
from tests.engines.process import free_port
from webapp import create_app
from webapp.auth.roles import Role
from webapp.auth.tokens import create_token
from webapp.extensions import db
from webapp.logs import configure_logging
from webapp.settings import Settings

ACTOR = Actor("bench", Via.CLI)
# As `make run` starts it.
WORKER = ["flask", "worker"]


class Product:
    """One installation with a queue and a database of its own."""

    def __init__(self, settings: Settings, app: APIFlask) -> None:
        self.settings = settings
        self.app = app
        self._rows = sqlite3.connect(_database_file(settings), isolation_level=None)

    @property
    def domain(self) -> Services:
        """Its use cases."""
        services: Services = self.app.extensions["services"]
        return domain

    @property
    def database(self) -> Database:
        """Where its services write."""
        database: Database = self.app.extensions["database"]
        return database

    def import_tenants(self, tenants: int) -> None:
        """Take over so many imported tenants, who have no partition yet."""
        rows = [
            FileRow(n + 1, f"Tenant {n}", f"tenant-{n}", number=str(n))
            for n in range(1, tenants + 1)
        ]
        self.services.uploads.import_all(rows, dry_run=False, actor=ACTOR)

    def backfill(self, work: Backfill | None = None) -> int:
        """What `flask partitions backfill` does; returns how many were dispatched.

        With `work`, by that road instead of the product's own.

        Raises:
            RuntimeError: Redis did not take every dispatch.
        """
        work = work or self.services.backfill
        plan = work.plan()
        requested, all_dispatched = work.dispatch(
            plan.tenant_ids, actor=ACTOR, progress=lambda _: None
        )
        if not all_dispatched:
            raise RuntimeError("Redis did not take every dispatch")
        return requested

    def count_ready(self) -> int:
        """How many tenants are ready by now."""
        query = "SELECT count(*) FROM partition WHERE state = 'ready'"
        return int(self._rows.execute(query).fetchone()[0])

    def token(self) -> str:
        """A new token that may create tenants."""
        return create_token(self.database, "bench", Role.OPERATOR, actor=ACTOR)

    @contextmanager
    def working(self) -> Iterator[None]:
        """While its worker runs."""
        settings = self.settings
        log = settings.var_dir / "worker.log"
        connection = self.services.job_queue.connection
        with queue_worker(
            WORKER, settings.partition_queue, connection, log, _environment(settings)
        ):
            yield

    @contextmanager
    def serving(self) -> Iterator[None]:
        """While its web server runs."""
        settings = self.settings
        words = ["-c", "launch/gunicorn_conf.py", "wsgi:app"]
        log = settings.var_dir / "web.log"
        with gunicorn(words, settings.port, log, _environment(settings)):
            yield

    def close(self) -> None:
        """Give up its connections."""
        self._rows.close()
        self.services.job_queue.connection.close()
        with self.app.app_context():
            db.engine.dispose()


@contextmanager
def installed(
    engines: Engines, collection: str | None = None, chunk_size: int | None = None
) -> Iterator[Product]:
    """A fresh installation on these engines; its logs go to files, at their default level."""
    settings = _settings(engines, collection or engines.fresh_collection(), chunk_size)
    with (settings.var_dir / "bench.log").open("a") as log:
        with redirect_stderr(log):
            configure_logging(settings, "stderr")
        shutil.copy(_migrated(engines), _database_file(settings))
        with closing(Product(settings, create_app(settings))) as product:
            yield product


def _settings(engines: Engines, collection: str, chunk_size: int | None) -> Settings:
    folder = engines.fresh_folder()
    settings = Settings(
        var_dir=folder,
        database_url=f"sqlite:///{folder / 'paratia.db'}",
        secret_key=secrets.token_urlsafe(32),
        redis_url=engines.redis_url,
        milvus_uri=engines.milvus_uri,
        milvus_collection=collection,
        milvus_max_partitions=engines.max_partitions,
        partition_queue=f"product-{uuid4().hex}",
        port=free_port(),
    )
    return settings.model_copy(update={"partition_chunk_size": chunk_size} if chunk_size else {})


def _database_file(settings: Settings) -> Path:
    return settings.var_dir / "paratia.db"


def _migrated(engines: Engines) -> Path:
    """A database file with its tables made, once for the run."""
    file = engines.folder / "migrated.db"
    if not file.exists():
        settings = Settings(
            var_dir=engines.folder,
            database_url=f"sqlite:///{file}",
            secret_key=secrets.token_urlsafe(32),
        )
        app = create_app(settings)
        with app.app_context():
            upgrade()
            db.engine.dispose()
    return file


def _environment(settings: Settings) -> dict[str, str]:
    """The settings for a process of the product; every one, so that no `.env` slips in."""
    values = settings.model_dump(exclude={"sources"}, exclude_none=True)
    others = {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in Settings.model_fields
    }
    return others | {name.upper(): str(value) for name, value in values.items()}
