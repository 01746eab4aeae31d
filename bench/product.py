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

from bench.engines import Engines
from bench.processes import gunicorn, queue_worker
from tests.engines.process import free_port
from webapp import create_app
from webapp.auth.roles import Role
from webapp.auth.tokens import create_token
from webapp.csv_import.parsing import FileRow
from webapp.db.session import Database
from webapp.extensions import db
from webapp.logs import configure_logging
from webapp.models.audit import Actor, Via
from webapp.models.operation import Operation, OperationKind
from webapp.operations.progress import undispatched
from webapp.operations.selection import Selection
from webapp.operations.service import Operations
from webapp.services import Services
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
    def services(self) -> Services:
        services: Services = self.app.extensions["services"]
        return services

    @property
    def database(self) -> Database:
        database: Database = self.app.extensions["database"]
        return database

    def import_tenants(self, tenants: int) -> None:
        """Take over so many imported tenants, who have no partition yet."""
        rows = [
            FileRow(n + 1, f"Tenant {n}", f"tenant-{n}", number=str(n))
            for n in range(1, tenants + 1)
        ]
        self.services.uploads.import_all(rows, dry_run=False, actor=ACTOR)

    def backfill(self, work: Operations | None = None) -> int:
        """What `flask partitions backfill` does; returns how many were dispatched.

        With `work`, by that road instead of the product's own.

        Raises:
            RuntimeError: Redis did not take every job.
        """
        work = work or self.services.operations
        if not work.plan(OperationKind.BACKFILL, Selection()).accepted:
            return 0
        operation_id = work.ask(OperationKind.BACKFILL, Selection(), actor=ACTOR).id
        while work.advance(operation_id):
            pass
        with self.database.reading() as session:
            operation = session.get_one(Operation, operation_id)
            if undispatched(session, operation):
                raise RuntimeError("Redis did not take every job")
        return operation.accepted

    def count_ready(self) -> int:
        query = "SELECT count(*) FROM partition WHERE state = 'ready'"
        return int(self._rows.execute(query).fetchone()[0])

    def token(self) -> str:
        return create_token(self.database, "bench", Role.OPERATOR, actor=ACTOR)

    @contextmanager
    def working(self) -> Iterator[None]:
        settings = self.settings
        log = settings.var_dir / "worker.log"
        connection = self.services.job_queue.connection
        with queue_worker(
            WORKER, settings.partition_queue, connection, log, _environment(settings)
        ):
            yield

    @contextmanager
    def serving(self) -> Iterator[None]:
        settings = self.settings
        words = ["-c", "launch/gunicorn_conf.py", "wsgi:app"]
        log = settings.var_dir / "web.log"
        with gunicorn(words, settings.port, log, _environment(settings)):
            yield

    def close(self) -> None:
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
    # Hosts as they are written: parted by commas.
    written = {
        name: ",".join(value) if isinstance(value, tuple) else str(value)
        for name, value in values.items()
    }
    return others | {name.upper(): value for name, value in written.items()}
