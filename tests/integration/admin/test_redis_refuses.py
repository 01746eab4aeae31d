"""A Redis that answers and refuses writes: told in the panel, by `/readyz` and `flask config`."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from apiflask import APIFlask
from redis import Redis

from tests.access import MakeApp
from tests.engines.process import wait_until
from tests.engines.redis import RedisServer
from tests.integration.admin.panel import OpenPanel
from webapp.auth.roles import Role
from webapp.cli.config import config_command
from webapp.models.process import ProcessKind
from webapp.processes.heartbeat import ProcessHeartbeat
from webapp.queue.redis_writes import KEY
from webapp.settings import Settings

READER = "reader"


def settings_of(app: APIFlask) -> Settings:
    settings: Settings = app.extensions["settings"]
    return settings


@contextmanager
def full(server: RedisServer) -> Iterator[str]:
    """Its memory is full, and nothing may be evicted."""
    with Redis.from_url(server.url) as redis:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", 1)
        yield server.url
        redis.config_set("maxmemory", 0)


@contextmanager
def demoted(server: RedisServer) -> Iterator[str]:
    """It is a replica since a failover."""
    with Redis.from_url(server.url) as redis:
        redis.replicaof("127.0.0.1", "9")
        yield server.url
        redis.replicaof("NO", "ONE")


@contextmanager
def unsaved(server: RedisServer) -> Iterator[str]:
    """It could not save, and takes no writes until it can."""
    with Redis.from_url(server.url) as redis:
        redis.config_set("save", "3600 1")
        shutil.rmtree(server.log.parent)
        redis.bgsave()
        failed = {"rdb_last_bgsave_status": "err"}.items()
        wait_until(lambda: failed <= redis.info().items(), 10, "the save to fail")
        yield server.url
        redis.config_set("stop-writes-on-bgsave-error", "no")


@contextmanager
def read_only(server: RedisServer) -> Iterator[str]:
    """The user of REDIS_URL may read alone."""
    with Redis.from_url(server.url) as redis:
        user = {"username": READER, "enabled": True, "nopass": True, "keys": ["*"]}
        redis.acl_setuser(**user, categories=["+@read", "+@connection"])
        yield server.url.replace("redis://", f"redis://{READER}:x@")
        redis.acl_setuser(**user, categories=["+@all"])


CONDITIONS = {
    "memory full": full,
    "read-only replica": demoted,
    "cannot save to disk": unsaved,
    "no permission": read_only,
}


@pytest.mark.parametrize("refuses", CONDITIONS.values(), ids=CONDITIONS.keys())
def test_the_condition_is_named_with_what_to_do_when_redis_takes_no_writes(
    make_app: MakeApp,
    spare_redis: Callable[..., RedisServer],
    refuses: Callable[[RedisServer], Iterator[str]],
    request: pytest.FixtureRequest,
) -> None:
    server, word = spare_redis(over_tcp=True), request.node.callspec.id
    with refuses(server) as address:  # type: ignore[attr-defined]
        app = make_app(redis_url=address)
        panel = OpenPanel(app)
        panel.enter(Role.OPERATOR)
        panel.add_tenant()
        heartbeat = ProcessHeartbeat(panel.database, settings_of(app), ProcessKind.WEB)
        heartbeat.beat()
        overview = panel.page("/admin/")
        assert f"Redis takes no writes ({word})." in overview
        assert 'id="condition-redis_refuses_writes"' in overview
        assert 'id="sign-redis" data-role="danger"' in overview
        assert word in panel.page("/admin/partitions/?tab=queues")
        answer = app.test_client().get("/readyz")
        assert (answer.status_code, answer.json["redis"]) == (200, "degraded")
        assert "redis_refuses_writes" in answer.json["degraded"]
        assert word not in answer.text
        told = app.test_cli_runner().invoke(config_command)
    wait_until(lambda: _accepts(panel, heartbeat), 5, "Redis to take writes")
    overview = panel.page("/admin/")
    assert 'id="sign-redis" data-role="success"' in overview
    assert "takes no writes" not in overview
    assert (told.exit_code, "Warning: Redis takes no writes; " in told.stderr) == (0, True)


def _accepts(panel: OpenPanel, heartbeat: ProcessHeartbeat) -> bool:
    heartbeat.beat()
    return "redis_refuses_writes" not in panel.page("/admin/")


def test_a_sign_of_life_leaves_one_key_in_redis_which_expires(app: APIFlask) -> None:
    redis = app.extensions["job_queue"].connection
    heartbeat = ProcessHeartbeat(app.extensions["database"], settings_of(app), ProcessKind.WEB)
    for _ in range(3):
        heartbeat.beat()
    assert 0 < redis.ttl(KEY) <= 60
    assert redis.keys() == [KEY.encode()]
