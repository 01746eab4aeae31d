"""Guessing passwords is limited, over several processes and whatever Redis does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import pytest
from apiflask import APIFlask
from redis import Redis
from sqlalchemy import update

from tests.access import ON_EACH_DATABASE, MakeApp, Rows, Visitor, add_user, new_address
from tests.engines.redis import RedisServer
from webapp.auth.models import LoginCount
from webapp.db.types import utc_now

GUESSES = 10


def guess(app: APIFlask, email: str, address: str) -> int:
    return Visitor(app, address).login(email, "a wrong guess").status_code


def test_an_address_is_stopped_when_it_guesses_over_two_processes(
    app: APIFlask, make_app: MakeApp
) -> None:
    processes, address = [app, make_app()], new_address()
    for number in range(GUESSES):
        assert guess(processes[number % 2], f"n{number}@{address}", address) == HTTPStatus.OK
    for process in processes:
        answer = Visitor(process, address).login(f"more@{address}", "wrong")
        assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
        assert int(answer.headers["Retry-After"]) > 0
        assert "Too many attempts" in answer.text


def test_a_network_of_ipv6_is_stopped_as_one_visitor(app: APIFlask) -> None:
    for number in range(GUESSES):
        address = f"2001:db8:7:7::{number:x}"
        assert guess(app, f"n{number}@v6.test", address) == HTTPStatus.OK
    more = "more@v6.test"
    assert guess(app, more, "2001:db8:7:7:ffff::1") == HTTPStatus.TOO_MANY_REQUESTS
    assert guess(app, more, "2001:db8:7:8::1") == HTTPStatus.OK


def test_an_account_is_closed_to_guesses_from_everywhere_until_their_minute_is_over(
    app: APIFlask,
) -> None:
    email = add_user(app)
    for _ in range(GUESSES):
        assert guess(app, email, new_address()) == HTTPStatus.OK
    assert guess(app, email.upper(), new_address()) == HTTPStatus.TOO_MANY_REQUESTS
    Rows(app).execute(update(LoginCount).values(ends_at=utc_now()))
    assert Visitor(app).login(email).status_code == HTTPStatus.FOUND


def test_users_are_not_counted_when_they_get_in(app: APIFlask) -> None:
    email, address = add_user(app), new_address()
    for _ in range(GUESSES + 2):
        assert Visitor(app, address).login(email).status_code == HTTPStatus.FOUND


def fill(redis: RedisServer) -> None:
    with Redis.from_url(redis.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")


def make_read_only(redis: RedisServer) -> None:
    with Redis.from_url(redis.url) as client:
        client.replicaof("127.0.0.1", "1")


def forbid_scripts(redis: RedisServer) -> None:
    with Redis.from_url(redis.url) as client:
        client.acl_setuser("default", enabled=True, nopass=True, commands=["-@scripting"])


TROUBLES: list[Callable[[RedisServer], None]] = [
    *(fill, make_read_only, forbid_scripts),
    *(RedisServer.freeze, RedisServer.kill),
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_guessing_is_stopped_over_two_processes_whatever_redis_does(
    app: APIFlask,
    make_app: MakeApp,
    spare_redis: Callable[..., RedisServer],
    trouble: Callable[[RedisServer], None],
) -> None:
    redis, address, email = spare_redis(), new_address(), add_user(app)
    processes = [make_app(redis_url=redis.url) for _ in range(2)]
    assert guess(processes[0], f"first@{address}", address) == HTTPStatus.OK
    trouble(redis)
    answers = [guess(processes[n % 2], f"n{n}@{address}", address) for n in range(GUESSES + 1)]
    assert answers == [HTTPStatus.OK] * (GUESSES - 1) + [HTTPStatus.TOO_MANY_REQUESTS] * 2
    assert Visitor(processes[1], address).login(email).status_code == HTTPStatus.TOO_MANY_REQUESTS


@ON_EACH_DATABASE
def test_no_more_than_the_limit_are_looked_at_when_guesses_come_at_once(make_app: MakeApp) -> None:
    processes, address = [make_app(), make_app()], new_address()
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: guess(processes[n % 2], f"n{n}@{address}", address), range(24))
        )
    assert answers.count(HTTPStatus.OK) == GUESSES
    assert answers.count(HTTPStatus.TOO_MANY_REQUESTS) == 24 - GUESSES


def test_an_account_stays_open_when_a_closed_address_goes_on_guessing(app: APIFlask) -> None:
    email, address = add_user(app), new_address()
    for _ in range(GUESSES - 1):
        guess(app, f"other@{address}", address)
    for _ in range(2 * GUESSES):
        guess(app, email, address)
    assert Visitor(app).login(email).status_code == HTTPStatus.FOUND


def test_users_get_in_when_redis_is_gone(make_app: MakeApp) -> None:
    app = make_app(redis_url="redis://127.0.0.1:1/0")
    assert Visitor(app).login(add_user(app)).status_code == HTTPStatus.FOUND
