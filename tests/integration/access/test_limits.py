"""Guessing passwords is limited, over several processes and without Redis."""

from collections.abc import Callable
from http import HTTPStatus

import pytest
from apiflask import APIFlask

from tests.access import Visitor, add_user
from tests.engines.redis import RedisServer
from tests.integration.access.conftest import new_address

GUESSES = 10


def guess(app: APIFlask, email: str, address: str) -> int:
    return Visitor(app, address).login(email, "a wrong guess").status_code


def test_an_address_is_stopped_when_it_guesses_over_two_processes(
    app: APIFlask, another_app: Callable[..., APIFlask]
) -> None:
    processes, address = [app, another_app()], new_address()
    for number in range(GUESSES):
        assert guess(processes[number % 2], f"n{number}@{address}", address) == HTTPStatus.OK
    for process in processes:
        assert guess(process, f"more@{address}", address) == HTTPStatus.TOO_MANY_REQUESTS


def test_an_account_is_closed_to_guesses_when_they_come_from_everywhere(app: APIFlask) -> None:
    email = add_user(app)
    for _ in range(GUESSES):
        assert guess(app, email, new_address()) == HTTPStatus.OK
    assert guess(app, email.upper(), new_address()) == HTTPStatus.TOO_MANY_REQUESTS


def test_the_refusal_is_a_page_that_says_when_to_return_when_stopped(app: APIFlask) -> None:
    address = new_address()
    for number in range(GUESSES):
        guess(app, f"n{number}@{address}", address)
    answer = Visitor(app, address).login("any@example.test", "wrong")
    assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert int(answer.headers["Retry-After"]) > 0
    assert "Too many attempts" in answer.text


def test_users_are_not_counted_when_they_get_in(app: APIFlask) -> None:
    email, address = add_user(app), new_address()
    for _ in range(GUESSES + 2):
        assert Visitor(app, address).login(email).status_code == HTTPStatus.FOUND


@pytest.mark.parametrize("over_tcp", [False, True])
def test_guessing_is_stopped_when_redis_is_gone(
    another_app: Callable[..., APIFlask], spare_redis: Callable[..., RedisServer], over_tcp: bool
) -> None:
    redis, address = spare_redis(over_tcp=over_tcp), new_address()
    lonely = another_app(redis_url=redis.url)
    assert guess(lonely, f"first@{address}", address) == HTTPStatus.OK
    redis.kill()
    answers = [guess(lonely, f"n{n}@{address}", address) for n in range(GUESSES + 1)]
    assert answers == [HTTPStatus.OK] * GUESSES + [HTTPStatus.TOO_MANY_REQUESTS]


def test_users_get_in_when_redis_is_gone(
    app: APIFlask, another_app: Callable[..., APIFlask]
) -> None:
    lonely = another_app(redis_url="redis://127.0.0.1:1/0")
    assert Visitor(lonely, new_address()).login(add_user(app)).status_code == HTTPStatus.FOUND
