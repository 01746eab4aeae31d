"""The product as it is installed: settings, database, application, and its own workers."""

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr
from functools import cache
from pathlib import Path
from uuid import uuid4

from apiflask import APIFlask
from flask_migrate import upgrade

from bench.connection import Connection
from bench.contender import Contender
from bench.engines import Engines
from bench.processes import BIN, Workers, gunicorn, workers
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
from webapp.services import Services
from webapp.settings import Settings

ACTOR = Actor("bench", Via.CLI)
# As `make run` starts it.
WORKER = (str(BIN / "flask"), "worker")


class Product(Contender):
    """One installation with a queue and a database of its own."""

    def __init__(self, settings: Settings, app: APIFlask) -> None:
        self.settings = settings
        self.app = app
        self.rows = Connection(settings.database_url or "")

    @property
    def services(self) -> Services:
        services: Services = self.app.extensions["services"]
        return services

    @property
    def database(self) -> Database:
        database: Database = self.app.extensions["database"]
        return database

    @property
    def environment(self) -> dict[str, str]:
        """The settings for a process of the product; every one, so that no `.env` slips in."""
        values = self.settings.model_dump(exclude={"sources"}, exclude_none=True)
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

    def import_tenants(self, tenants: int) -> None:
        """Take over so many imported tenants, who have no partition yet."""
        rows = [
            FileRow(n + 1, f"Tenant {n}", f"tenant-{n}", number=str(n))
            for n in range(1, tenants + 1)
        ]
        self.services.uploads.import_all(rows, dry_run=False, actor=ACTOR)

    def backfill(self) -> None:
        """What `flask partitions backfill` does.

        Raises:
            RuntimeError: Redis did not take every job.
        """
        work = self.services.operations
        if not work.plan(OperationKind.BACKFILL, Selection()).accepted:
            return
        operation_id = work.ask(OperationKind.BACKFILL, Selection(), actor=ACTOR).id
        while work.advance(operation_id):
            pass
        with self.database.reading() as session:
            if undispatched(session, session.get_one(Operation, operation_id)):
                raise RuntimeError("Redis did not take every job")

    def sign_up(self) -> None:
        self.services.tenants.create(f"Tenant {secrets.token_hex(6)}", actor=ACTOR)

    def count_ready(self) -> int:
        return self.rows.number("SELECT count(*) FROM partition WHERE state = 'ready'")

    def token(self) -> str:
        return create_token(self.database, "bench", Role.OPERATOR, actor=ACTOR)

    @contextmanager
    def working(self, count: int) -> Iterator[Workers]:
        connection, folder = self.services.job_queue.connection, self.settings.var_dir
        known = f"rq:workers:{self.settings.partition_queue}"

        def is_ready(_log: Path, number: int) -> bool:
            return bool(connection.scard(known) >= number)

        with workers(WORKER, count, folder, is_ready, self.environment) as group:
            yield group

    @contextmanager
    def serving(self) -> Iterator[None]:
        settings = self.settings
        words = ["-c", "launch/gunicorn_conf.py", "wsgi:app"]
        log = settings.var_dir / "web.log"
        with gunicorn(words, settings.port, log, self.environment):
            yield

    def close(self) -> None:
        self.rows.close()
        self.services.job_queue.connection.close()
        with self.app.app_context():
            db.engine.dispose()


@contextmanager
def installed(engines: Engines, collection: str | None = None) -> Iterator[Product]:
    """A fresh installation on these engines; its logs go to files, at their default level."""
    database = engines.databases.fresh(_migrated(engines))
    settings = _settings(engines, database, collection or engines.fresh_collection())
    with (settings.var_dir / "bench.log").open("a") as log:
        with redirect_stderr(log):
            configure_logging(settings, "stderr")
        with closing(Product(settings, create_app(settings))) as product:
            yield product


def _settings(engines: Engines, database: str, collection: str) -> Settings:
    return Settings(
        var_dir=engines.fresh_folder(),
        database_url=database,
        secret_key=secrets.token_urlsafe(32),
        redis_url=engines.redis_url,
        milvus_uri=engines.milvus_uri,
        milvus_collection=collection,
        milvus_max_partitions=engines.max_partitions,
        partition_queue=f"product-{uuid4().hex}",
        port=free_port(),
    )


@cache
def _migrated(engines: Engines) -> str:
    """A database with the product's tables, made once for the run."""
    settings = _settings(engines, engines.databases.fresh(), "migrated")
    app = create_app(settings)
    with app.app_context():
        upgrade()
        db.engine.dispose()
    return str(settings.database_url)
