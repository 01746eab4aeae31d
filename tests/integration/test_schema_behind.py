"""A schema that is not this release's: what is told, by whom, and that all goes on by itself."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from apiflask import APIFlask
from flask_migrate import downgrade, stamp, upgrade
from structlog.testing import capture_logs

from jobs.context import await_schema
from tests.access import close, settings_in
from tests.engines.process import wait_until
from tests.engines.web import WebServer
from webapp import create_app
from webapp.cli.doctor import doctor_command
from webapp.conditions.log import of_schema
from webapp.conditions.words import serialize
from webapp.db.schema_revision import Schema, wanted_revision
from webapp.extensions import db
from webapp.settings import PROJECT_ROOT, Settings

REMEDY = "run `flask db upgrade`"


@pytest.fixture
def app(tmp_path: Path, own_redis: str) -> APIFlask:
    """The application on a database without tables."""
    return create_app(settings_in(tmp_path, redis_url=own_redis))


def raised(server: WebServer) -> list[dict[str, str]]:
    """Its log's lines of the condition."""
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if "{" in line[:1]]
    return [
        line
        for line in lines
        if (line["event"], line.get("key")) == ("paratia.condition.raised", "schema_behind")
    ]


def migrate(app: APIFlask, revision: str = "head") -> None:
    with app.app_context():
        upgrade(revision=revision)
        db.engine.dispose()


def lose_revision(app: APIFlask) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")


@pytest.mark.parametrize(
    ("revision", "code", "says"),
    [
        (None, "no_tables", "has no tables yet"),
        (
            "0009",
            "schema_behind",
            f"is at revision 0009, and this release needs {wanted_revision()}",
        ),
    ],
)
def test_requests_are_refused_with_the_remedy_until_the_schema_is_there(
    app: APIFlask, revision: str | None, code: str, says: str
) -> None:
    if revision:
        migrate(app, revision)
    client = app.test_client()
    for answer in (client.post("/api/tenants", json={"name": "A"}), client.get("/api/nothing")):
        body = answer.get_json()
        assert (answer.status_code, body["code"]) == (503, code)
        assert says in body["detail"]
        assert REMEDY in body["detail"]
        assert int(answer.headers["Retry-After"]) > 0
    for path in ("/admin/", "/login", "/metrics"):
        page = client.get(path)
        assert page.status_code == 503
        assert "flask db upgrade" in page.text
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()["database"]) == (503, code)
    assert client.get("/healthz").status_code == 200
    migrate(app)
    assert client.get("/login").status_code == 200
    assert client.post("/api/tenants", json={"name": "A"}).status_code == 401
    # Its answer is kept for a second.
    wait_until(lambda: client.get("/readyz").status_code == 200, 10, "the process to be ready")


def test_tables_without_a_revision_are_not_told_as_an_empty_database(app: APIFlask) -> None:
    migrate(app)
    lose_revision(app)
    revision = app.extensions["schema"].revision()
    assert "has tables" in revision.sentence and "flask db stamp" in revision.sentence
    ready = app.test_client().get("/readyz")
    assert (ready.status_code, ready.get_json()["database"]) == (503, "schema_unknown")
    told = json.loads(app.test_cli_runner().invoke(doctor_command, ["--json"]).stdout)
    (condition,) = told["conditions"]
    assert "flask db stamp" in condition["what_to_do"]
    assert "Do not run flask db upgrade" in condition["what_to_do"]
    page = app.test_client().get("/login")
    assert page.status_code == 503
    assert "flask doctor" in page.text and "flask db upgrade" not in page.text


def test_a_process_that_serves_goes_on_when_the_revision_is_lost(app: APIFlask) -> None:
    """And says so; one that begins then must be told first which release made the tables."""
    migrate(app)
    schema: Schema = app.extensions["schema"]
    schema.refresh()
    lose_revision(app)
    assert schema.refresh().serves and schema.revision().before == wanted_revision()
    assert app.test_client().get("/login").status_code == 200
    assert not Schema(app.extensions["database"]).revision().serves


def test_requests_are_refused_when_the_schema_goes_back_while_all_serve(app: APIFlask) -> None:
    migrate(app)
    schema: Schema = app.extensions["schema"]
    schema.refresh()
    with app.app_context():
        stamp(revision="0001")
    schema.refresh()
    client = app.test_client()
    assert (client.get("/login").status_code, client.get("/readyz").status_code) == (503, 503)
    with app.app_context():
        stamp(revision="head")
    assert client.get("/login").status_code == 200


def test_tables_that_are_gone_are_not_told_as_not_made_yet(app: APIFlask) -> None:
    """An upgrade would begin without any tenant, and all would be green."""
    migrate(app)
    schema: Schema = app.extensions["schema"]
    schema.refresh()
    with app.app_context():
        downgrade(revision="base")
        db.drop_all()
        db.engine.dispose()
    assert "no tables any more" in schema.refresh().sentence
    told = of_schema(schema.refresh())
    assert "Do not run flask db upgrade" in serialize(told)["what_to_do"]
    # A process that begins now knows it from the folder.
    (app.extensions["settings"].var_dir / "witness").mkdir()
    (app.extensions["settings"].var_dir / "witness" / "abc").write_text("7 9")
    result = app.test_cli_runner().invoke(doctor_command, [])
    assert "no tables any more" in result.stdout


def test_start_of_all_parts_names_the_lost_revision(app: APIFlask) -> None:
    migrate(app)
    lose_revision(app)
    settings: Settings = app.extensions["settings"]
    own = {"VAR_DIR": str(settings.var_dir), "REDIS_URL": str(settings.redis_url)}
    ended = subprocess.run(
        [sys.executable, "-m", "launch.first_steps"],
        cwd=PROJECT_ROOT,
        env=os.environ | own,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == os.EX_UNAVAILABLE
    assert "flask db stamp" in ended.stderr.splitlines()[-1]


def test_release_serves_when_the_schema_is_ahead(app: APIFlask) -> None:
    migrate(app)
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    client = app.test_client()
    assert client.get("/readyz").get_json()["database"] == "ok"
    assert client.get("/login").status_code == 200
    assert "ahead of this release" in app.extensions["schema"].revision().sentence


def test_schema_is_asked_for_once_when_it_is_there(app: APIFlask) -> None:
    migrate(app)
    schema: Schema = app.extensions["schema"]
    schema.require()
    with app.app_context():
        stamp(revision="0001")
    assert schema.require().serves


def test_worker_and_reconciler_wait_with_one_line_when_the_schema_is_behind(app: APIFlask) -> None:
    reached: list[bool] = []
    schema: Schema = app.extensions["schema"]
    with capture_logs() as logs:
        waiting = threading.Thread(
            target=lambda: reached.append(await_schema(schema, threading.Event()))
        )
        waiting.start()
        wait_until(lambda: len(logs) == 1, 10, "a line")
        migrate(app)
        waiting.join()
    assert reached == [True]
    first, last = logs
    assert (first["event"], last["event"]) == ("schema.waits", "schema.reached")
    assert REMEDY in first["message"]


def test_waiting_ends_when_the_process_is_to_stop(app: APIFlask) -> None:
    stop = threading.Event()
    stop.set()
    assert not await_schema(app.extensions["schema"], stop)


def test_web_server_says_at_its_start_that_the_schema_is_behind(
    app: APIFlask, new_directory: Callable[[str], Path], own_redis: str
) -> None:
    settings = settings_in(new_directory("web"), redis_url=own_redis)
    server = WebServer(settings.var_dir, settings)
    server.start()
    try:
        # Each of its processes knows by itself whether it can serve.
        wait_until(lambda: len(raised(server)) == 2, 20, "a line of each process")
        assert "flask db upgrade" in raised(server)[0]["what_to_do"]
        assert httpx.get(f"{server.address}/readyz").json()["degraded"] == ["schema_behind"]
        migrated = create_app(settings)
        migrate(migrated)
        ready = f"{server.address}/readyz"
        wait_until(lambda: httpx.get(ready).status_code == 200, 20, "the server to be ready")
        assert len(raised(server)) == 2
        close(migrated)
    finally:
        server.kill()


def test_doctor_names_the_condition_when_the_schema_is_behind(app: APIFlask) -> None:
    result = app.test_cli_runner().invoke(doctor_command, ["--json"])
    told = json.loads(result.stdout)
    assert (result.exit_code, told["status"]) == (2, "danger")
    assert [each["key"] for each in told["conditions"]] == ["schema_behind"]
