"""The product as operators deploy it on several machines, behind the nginx of the README.

Two instances of panel and API, three workers, two reconcilers; each process has a `VAR_DIR` of its
own, as on machines of their own. PostgreSQL, a Redis that keeps nothing, Milvus standalone.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psutil
from sqlalchemy import NullPool, create_engine, text

from launch.parts import program
from tests.acceptance.product import Product
from tests.acceptance.running import ROOT, environment
from tests.chaos.clients import ApiClient
from tests.chaos.records import Partitions, Records
from tests.chaos.target import SECRET_KEY, Ground, Target, ground
from tests.engines.nginx import Nginx, several_instances
from tests.engines.process import ServerProcess, free_port
from tests.engines.proxy import Proxy
from tests.engines.redis import RedisServer
from tests.engines.web import CONFIG, answers

WEB = ("web-1", "web-2")
WORKERS = ("worker-1", "worker-2", "worker-3")
RECONCILERS = ("reconciler-1", "reconciler-2")
# The documented pause before the next instance is stopped: nginx tries one again after 5 s.
PAUSE_S = 10.0
# A frozen instance must not keep who watches the others.
ANSWER_WITHIN_S = 5.0
START_WITHIN_S = 90.0
ALIVE = "SELECT count(*) FROM process WHERE pid = ANY(:pids)"


class Deployment(Product):
    """All processes, by name; seen as the one product that they are."""

    def __init__(self, under: Ground, redis: RedisServer, **settings: str) -> None:
        self.password = secrets.token_urlsafe(12)
        self.folder, self.redis = under.folder, redis
        self._ports = {name: free_port() for name in WEB}
        self._settings = {
            "DATABASE_URL": under.database_url,
            "REDIS_URL": redis.url,
            "MILVUS_URI": f"http://127.0.0.1:{under.network.port}",
            "MILVUS_MAX_PARTITIONS": "4096",
            "SECRET_KEY": SECRET_KEY,
            "ADMIN_PASSWORD": self.password,
            "TRUSTED_PROXIES": "1",
        } | settings
        self.var_dir = self._var_dir("console")
        self.environment = environment(self.var_dir, 8000, **self._settings)
        self._token = None
        self._database = create_engine(under.database_url, poolclass=NullPool)
        self.processes = {
            **{name: self._web(name) for name in WEB},
            **{name: self._command(name, "worker") for name in WORKERS},
            **{name: self._command(name, "partitions", "reconcile") for name in RECONCILERS},
        }
        self.down = set(self.processes)
        proxy = under.folder / "nginx"
        proxy.mkdir()
        self.nginx = Nginx(proxy, several_instances(list(self._ports.values())))

    def api(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        given = {"timeout": ANSWER_WITHIN_S} | options
        return httpx.request(method, self.url + path, headers=headers, **given)

    def client(self) -> ApiClient:
        """A program of a customer's, which comes through nginx."""
        return ApiClient(self.nginx.address, self.token, verify=False)

    def start(self, *names: str) -> None:
        for name in names:
            self.processes[name].start()
            self._note(name, is_down=False)

    def stop(self, *names: str) -> None:
        """End them as a supervisor does, one after the other."""
        for name in names:
            self._note(name, is_down=True)
            self.processes[name].stop()

    def stop_all(self) -> None:
        self.stop(*(name for name in self.processes if name not in self.down))

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """The process dies at once, and starts again at the block's end."""
        self._note(name, is_down=True)
        self.processes[name].kill()
        try:
            yield
        finally:
            self.start(name)

    @contextmanager
    def suspended(self, name: str) -> Iterator[None]:
        """The process, and those that it forked, do nothing until the block's end."""
        self._note(name, is_down=True)
        stopped = family(self.processes[name].pid)
        for each in stopped:
            each.suspend()
        try:
            yield
        finally:
            for each in stopped:
                with suppress(psutil.NoSuchProcess):
                    each.resume()
            self._note(name, is_down=False)

    def _note(self, name: str, *, is_down: bool) -> None:
        """A probe asks each instance; here the first one that works is asked."""
        (self.down.add if is_down else self.down.discard)(name)
        working = [name for name in WEB if name not in self.down]
        self.url = f"http://127.0.0.1:{self._ports[(*working, *WEB)[0]]}"

    def _web(self, name: str) -> ServerProcess:
        port = str(self._ports[name])
        ready = answers(f"http://127.0.0.1:{port}/readyz")
        command = [*program("gunicorn"), "-c", str(CONFIG), "wsgi:app"]
        return self._process(name, command, ready, PORT=port)

    def _command(self, name: str, *words: str) -> ServerProcess:
        process = self._process(
            name, [*program("flask"), *words], lambda: self._shows_life(process)
        )
        return process

    def _process(
        self, name: str, command: Sequence[str], ready: Callable[[], bool], **more: str
    ) -> ServerProcess:
        own = environment(self._var_dir(name), 8000, **self._settings | more)
        log = self.folder / f"{name}.log"
        return ServerProcess(command, log, ready, START_WITHIN_S, environment=own, cwd=ROOT)

    def _shows_life(self, process: ServerProcess) -> bool:
        pids = [each.pid for each in family(process.pid)]
        with self._database.connect() as connection:
            return bool(connection.execute(text(ALIVE), {"pids": pids}).scalar())

    def _var_dir(self, name: str) -> Path:
        folder = self.folder / f"var-{name}"
        folder.mkdir(exist_ok=True)
        return folder


def family(pid: int) -> list[psutil.Process]:
    """The process and all that it forked."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


@contextmanager
def deployed(random: Random, **settings: str) -> Iterator[tuple[Target, Deployment]]:
    """All of it, serving; stopped and removed at the end."""
    with ExitStack() as held:
        under = held.enter_context(ground("postgresql", random, "standalone"))
        (under.folder / "redis").mkdir()
        redis = RedisServer(under.folder / "redis", over_tcp=True, persists=False)
        deployment = Deployment(under, redis, **settings)
        for each in (redis, deployment.nginx):
            held.callback(each.stop)
            each.start()
        held.callback(deployment.stop_all)
        deployment.flask("db", "upgrade")
        deployment.flask("users", "ensure-admin")
        deployment.start(*deployment.processes)
        front = held.enter_context(Proxy(("127.0.0.1", deployment.nginx.port)))
        yield (
            Target(
                product=deployment,
                database=Records(under.database_url),
                milvus=under.milvus,
                partitions=Partitions(under.milvus.uri),
                network=under.network,
                front=front,
                postgres=under.postgres,
                random=random,
            ),
            deployment,
        )
