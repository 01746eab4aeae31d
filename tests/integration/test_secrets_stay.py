"""A server that repeats the credential in its refusal: nothing that we write or show holds it."""

import base64
import json
import os
import re
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
from redis import Redis

from tests.access import Visitor, add_user, close, migrated_app
from tests.conftest import skip_when_switched_off
from tests.engines.redis import RedisServer
from tests.integration.api.caller import Caller
from webapp.auth.roles import Role
from webapp.settings import PROJECT_ROOT, load_settings

# With what URLs, JSON and HTML write in another way.
PASSWORD = 'magpie/7f3a9+"é\\&>b'
TOKEN = f"root:{PASSWORD}"
ADMIN = "magpie-of-the-first-admin"
KEY = "magpie-key-that-signs-sessions"
# Of each form a part that no other text has.
IN_BASE64 = (base64.b64encode(bytes(n) + b"magpie/7f3a9")[4:-4].decode() for n in range(3))
SIGNS = ("magpie", "7f3a9", *IN_BASE64)
WORKER = "rq worker -c jobs.worker -w rq.worker.SimpleWorker -S json --burst"
COMMANDS = (
    *("partitions verify", "partitions failed", "partitions failed --json"),
    *("partitions status --tenant-id 1 --json", "config", "audit"),
)
CALLS = ("/tenants/1", "/tenants/1/events", "/partitions/summary", "/partitions/drift")
PAGES = (
    *("/admin/", "/admin/tenant/details/?id=1", "/admin/partitions/"),
    *("/rq/", "/rq/0/data/job/t1-g1-d1.json"),
)


class Echo(grpc.GenericRpcHandler):
    """Refuses every call, and repeats what came with it in whichever form a proxy might."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        told = [
            str(value) for name, value in details.invocation_metadata if name == "authorization"
        ]
        plain = [base64.b64decode(value).decode() for value in told]
        forms = [*told, *plain, *map(quote, plain), *map(json.dumps, plain), *map(repr, plain)]
        forms += [each.partition(":")[2] for each in plain]

        def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"not for {' '.join(forms)}".encode())

        return grpc.unary_unary_rpc_method_handler(refuse)


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """The address of a Milvus that repeats credentials."""
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads, handlers=[Echo()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"http://127.0.0.1:{port}"
        server.stop(None).wait()


@pytest.fixture
def environ(echo: str, redis_server: RedisServer, tmp_path: Path) -> dict[str, str]:
    """What each process of the product has in its environment."""
    skip_when_switched_off("redis")
    return {
        "PATH": os.environ["PATH"],
        "MILVUS_URI": echo,
        "MILVUS_TOKEN": TOKEN,
        "MILVUS_TIMEOUT": "5",
        "PARTITION_ATTEMPTS": "1",
        "REDIS_URL": redis_server.new_database(),
        "DATABASE_URL": f"sqlite:///{tmp_path}/paratia.db",
        "ADMIN_PASSWORD": ADMIN,
        "SECRET_KEY": KEY,
        "VAR_DIR": str(tmp_path),
    }


def run(environ: dict[str, str], command: str) -> str:
    name, *arguments = command.split()
    done = subprocess.run(
        [str(Path(sys.executable).parent / name), *arguments],
        env=environ,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return done.stdout + done.stderr


def in_redis(url: str) -> Iterator[str]:
    with Redis.from_url(url) as client:
        for key in client.scan_iter():
            raw = client.dump(key)
            yield repr(raw)
            for start in (found.start() for found in re.finditer(b"\x78[\x01\x5e\x9c\xda]", raw)):
                yield from _unpacked(raw[start:])
            if client.type(key) == b"stream":
                yield from (repr(fields) for _, fields in client.xrange(key))
                for _, fields in client.xrange(key):
                    yield from _unpacked(base64.b64decode(fields.get(b"exc_string", b"")))


def _unpacked(packed: bytes) -> Iterator[str]:
    try:
        yield zlib.decompressobj().decompress(packed).decode(errors="replace")
    except zlib.error:
        return


def in_database(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        names = connection.execute(
            # The search's index holds no text, and cannot be read whole.
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'tenant_search%'"
        )
        rows = [connection.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in names]
    connection.close()
    return str(rows)


def test_no_secret_is_written_or_shown_when_milvus_repeats_it(
    environ: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app = migrated_app(load_settings(environ, tmp_path))
    caller, visitor = Caller(app), Visitor(app)
    caller.tenant()
    visitor.login(add_user(app, Role.ADMIN))
    seen = {"worker": run(environ, WORKER)}
    seen["reconciler"] = run(environ, "flask partitions reconcile --once")
    runner = app.test_cli_runner()
    seen |= {command: runner.invoke(args=command.split()).output for command in COMMANDS}
    assert caller.get("/tenants/1").json["partition"]["cause"] == "auth"
    seen |= {call: caller.get(call).text for call in CALLS}
    seen["/readyz"] = app.test_client().get("/readyz").text
    seen |= {page: visitor.get(page).text for page in PAGES}
    seen["redis"] = "\n".join(in_redis(environ["REDIS_URL"]))
    seen["database"] = in_database(tmp_path / "paratia.db")
    seen["web"] = "".join(capfd.readouterr())
    for where in ("worker", "redis", "database", PAGES[-1]):
        assert "not for ***" in seen[where], where
    assert {where: sign for where, text in seen.items() for sign in SIGNS if sign in text} == {}
    close(app)
