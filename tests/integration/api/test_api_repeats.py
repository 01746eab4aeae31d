"""A POST that is repeated with its idempotency key: one effect, one answer."""

import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import delete, select, update
from werkzeug.test import TestResponse

import webapp.db.engine
import webapp.db.session
from tests.access import SETUP, close, database_of, migrated_app, settings_in
from tests.factories import all_at_once
from tests.integration.api.caller import Caller, assert_problem, unique
from webapp.auth.tokens import revoke_token
from webapp.db.types import utc_now
from webapp.idempotency import Idempotency
from webapp.models.idempotency import IdempotencyKey
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant
from webapp.tenants.service import TenantService

REPLAYED = "Idempotent-Replayed"
NOBODY = 10**15


def new_key() -> str:
    return secrets.token_hex(16)


def answer_of(answer: TestResponse) -> tuple[int, str | None, str | None, bytes]:
    headers = answer.headers
    return answer.status_code, headers.get("Location"), headers["Content-Type"], answer.data


def made(api: Caller, name: str) -> int:
    return sum(len(page) for page in api.pages("/tenants", q=name))


def age(api: Caller, key: str, hours: float) -> None:
    """Let the key have been used so long ago."""
    used = utc_now() - timedelta(hours=hours)
    api.execute(update(IdempotencyKey).where(IdempotencyKey.key == key).values(created_at=used))


def posts(api: Caller) -> dict[str, Any]:
    """Every address of the API that takes a POST, with a body that it takes."""
    return {
        re.sub(r"<.*?>", str(NOBODY), rule.rule).removeprefix("/api"): api.app.view_functions[
            rule.endpoint
        ]._spec.get("body_example")
        for rule in api.app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and "POST" in (rule.methods or set())
    }


def test_every_post_is_answered_as_before_when_repeated(api: Caller) -> None:
    addresses = posts(api)
    assert {"/tenants", "/tenants/bulk", f"/tenants/{NOBODY}/retry"} <= set(addresses)
    for path, body in addresses.items():
        key = new_key()
        first, second = api.post(path, body, key), api.post(path, body, key)
        assert first.status_code in {200, 201, 202, 404, 409}, path
        assert answer_of(second) == answer_of(first), path
        assert (first.headers.get(REPLAYED), second.headers.get(REPLAYED)) == (None, "true"), path


def test_every_post_is_refused_when_its_key_came_with_another(api: Caller) -> None:
    key = new_key()
    api.post("/tenants", {"name": "First"}, key)
    for path, body in posts(api).items():
        problem = assert_problem(api.post(path, body, key), 422, "idempotency_mismatch")
        assert "new one" in problem["detail"]


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "caf\xe9", "tab\tinside", "\x7f"])
def test_every_post_is_refused_when_its_key_is_unusable(api: Caller, key: str) -> None:
    for path, body in posts(api).items():
        problem = assert_problem(api.post(path, body, key), 422, "invalid")
        assert "printable ASCII" in problem["errors"]["Idempotency-Key"][0]


@pytest.mark.parametrize("key", ["x", "x" * 255, '"quoted, with spaces ~"'])
def test_key_is_taken_when_it_is_unusual(api: Caller, key: str) -> None:
    name = unique("unusual")
    answers = [api.post("/tenants", {"name": name}, key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert made(api, name) == 1


def test_one_tenant_is_made_when_20_repeat_at_once(api: Caller) -> None:
    name, key = unique("storm"), new_key()
    clients = [api.app.test_client() for _ in range(20)]

    def send(client: Any) -> TestResponse:
        headers = {**api.headers, "Idempotency-Key": key}
        answer: TestResponse = client.post("/api/tenants", json={"name": name}, headers=headers)
        return answer

    answers = all_at_once([lambda client=client: send(client) for client in clients])
    assert {answer_of(answer) for answer in answers} == {answer_of(answers[0])}
    assert answers[0].status_code == 201
    assert [answer.headers.get(REPLAYED) for answer in answers].count("true") == 19
    assert made(api, name) == 1


def test_queue_is_dispatched_once_when_repeated(api: Caller) -> None:
    key = new_key()
    (number,) = {api.post("/tenants", {"name": "Dispatched"}, key).json["id"] for _ in range(3)}
    events = api.get(f"/tenants/{number}/events").json["items"]
    assert [each["event"].rpartition(".")[2] for each in events] == ["dispatched", "requested"]


def test_answer_is_the_first_one_when_things_went_on_meanwhile(api: Caller) -> None:
    name, key = unique("gone"), new_key()
    first = api.post("/tenants", {"name": name}, key)
    api.delete(f"/tenants/{first.json['id']}")
    assert answer_of(api.post("/tenants", {"name": name}, key)) == answer_of(first)


def test_body_is_the_same_when_it_is_laid_out_otherwise(api: Caller) -> None:
    name, key = unique("layout"), new_key()
    first = api.post("/tenants", {"name": name, "slug": name}, key)
    data = f' {{ "slug" : "{name}",\n "name": "{name}" }}'
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    assert answer_of(api.call("POST", "/tenants", data=data, headers=headers)) == answer_of(first)


def test_each_gets_a_tenant_when_two_callers_have_one_key(api: Caller) -> None:
    name, key = unique("shared"), new_key()
    answers = [each.post("/tenants", {"name": name}, key) for each in (api, Caller(api.app))]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert made(api, name) == 2


def test_answer_is_not_given_away_when_a_later_token_has_the_name(app: APIFlask) -> None:
    token, name, key = unique("token"), unique("mine"), new_key()
    Caller(app, token_name=token).post("/tenants", {"name": name}, key)
    revoke_token(database_of(app), token, actor=SETUP)
    later = Caller(app, token_name=token)
    assert REPLAYED not in later.post("/tenants", {"name": name}, key).headers
    assert made(later, name) == 2


@pytest.mark.parametrize(("hours", "tenants"), [(23.9, 1), (24.1, 2)])
def test_key_counts_as_new_when_it_is_older_than_a_day(
    api: Caller, hours: float, tenants: int
) -> None:
    name, key = unique("old"), new_key()
    first = api.post("/tenants", {"name": name}, key)
    age(api, key, hours)
    second = api.post("/tenants", {"name": name}, key)
    assert (second.headers.get(REPLAYED) == "true") == (answer_of(second) == answer_of(first))
    assert made(api, name) == tenants
    assert answer_of(api.post("/tenants", {"name": name}, key)) == answer_of(second)


def test_old_key_may_come_with_another_body_when_a_day_has_passed(api: Caller) -> None:
    key = new_key()
    api.post("/tenants", {"name": "Before"}, key)
    age(api, key, 25)
    assert api.post("/tenants", {"name": "After"}, key).json["name"] == "After"


def test_refusal_is_repeated_when_its_reason_has_gone(api: Caller) -> None:
    slug, key = unique("held"), new_key()
    holder = api.tenant(slug=slug)
    body = {"name": "Late", "slug": slug}
    first = api.post("/tenants", body, key)
    assert_problem(first, 409, "slug_taken")
    api.delete(f"/tenants/{holder['id']}")
    assert answer_of(api.post("/tenants", body, key)) == answer_of(first)
    assert api.post("/tenants", body, new_key()).status_code == 201


def test_all_are_answered_alike_when_20_are_refused_at_once(api: Caller) -> None:
    path, key = f"/api/tenants/{api.tenant()['id']}/retry", new_key()
    headers = {**api.headers, "Idempotency-Key": key}
    works = [lambda: api.app.test_client().post(path, headers=headers) for _ in range(20)]
    answers = all_at_once(works)
    assert {answer_of(answer) for answer in answers} == {answer_of(answers[0])}
    assert_problem(answers[0], 409, "not_failed")


def test_one_request_is_made_when_a_retry_is_repeated(api: Caller) -> None:
    number, key = api.tenant()["id"], new_key()
    failed = update(Partition).where(Partition.tenant_id == number)
    api.execute(failed.values(state=PartitionState.FAILED))
    answers = [api.post(f"/tenants/{number}/retry", key=key) for _ in range(3)]
    assert {answer_of(answer) for answer in answers} == {answer_of(answers[0])}
    assert answers[0].status_code == 202
    assert api.rows(select(Partition.generation).where(Partition.tenant_id == number)) == [2]


def test_key_is_still_free_when_the_body_was_refused(api: Caller, viewer: Caller) -> None:
    key = new_key()
    assert_problem(api.post("/tenants", {"name": 1}, key), 422, "invalid")
    no_json = api.call("POST", "/tenants", headers={"Idempotency-Key": key})
    assert_problem(no_json, 415, "unsupported_media_type")
    assert api.post("/tenants", {"name": "Mended"}, key).status_code == 201


def test_key_is_still_free_when_the_database_was_locked(
    new_directory: Callable[[str], Path], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webapp.db.engine, "BUSY_TIMEOUT_S", 0.1)
    app = migrated_app(settings_in(new_directory("locked"), redis_url=redis_url))
    api, name, key = Caller(app), unique("locked"), new_key()
    with database_of(app).transaction() as session:
        session.connection()
        assert_problem(api.post("/tenants", {"name": name}, key), 503, "unavailable")
    answer = api.post("/tenants", {"name": name}, key)
    assert (answer.status_code, answer.headers.get(REPLAYED)) == (201, None)
    assert made(api, name) == 1
    close(app)


def test_nothing_is_left_of_a_key_when_the_effect_failed(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key's row, the tenant and the answer are one transaction."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("in the middle")

    name, key = unique("middle"), new_key()
    with monkeypatch.context() as patched:
        patched.setattr("webapp.partitions.events.record", broken)
        assert_problem(api.post("/tenants", {"name": name}, key), 500, "internal_error")
    assert REPLAYED not in api.post("/tenants", {"name": name}, key).headers
    assert made(api, name) == 1


def test_answer_is_kept_when_dispatching_failed_in_an_unknown_way(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("after the commit")

    name, key = unique("after"), new_key()
    with monkeypatch.context() as patched:
        patched.setattr("webapp.partitions.dispatcher.Dispatcher.dispatch", broken)
        assert_problem(api.post("/tenants", {"name": name}, key), 500, "internal_error")
    again = api.post("/tenants", {"name": name}, key)
    assert (again.status_code, again.headers[REPLAYED]) == (201, "true")
    assert made(api, name) == 1


def test_endpoint_fails_loudly_when_it_keeps_the_key_to_itself(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`once` must reach the use case, or a repeat would be a second effect."""
    real = TenantService.create

    def forgetful(self: TenantService, *args: Any, idempotency: Idempotency, **rest: Any) -> Tenant:
        return real(self, *args, **rest)

    monkeypatch.setattr(TenantService, "create", forgetful)
    answer = api.post("/tenants", {"name": "Forgotten"}, new_key())
    assert_problem(answer, 500, "internal_error")


def test_two_statements_are_added_when_there_is_a_key_and_none_without(api: Caller) -> None:
    def cost(key: str | None) -> list[str]:
        # Whether provisioning is paused is asked once a second, whoever comes: now each time.
        api.app.extensions["services"].dispatcher.heed_pause()
        with api.counted() as seen:
            api.post("/tenants", {"name": unique("cost")}, key)
        return [line.split()[0] for line in seen]

    cost(None)
    without, first = cost(None), cost(key := new_key())
    assert sorted(first) == sorted([*without, "INSERT", "UPDATE"])
    api.execute(delete(IdempotencyKey).where(IdempotencyKey.key == key))


def test_no_credentials_are_stored_when_an_answer_is_kept(api: Caller) -> None:
    key = new_key()
    api.post("/tenants", {"name": "Quiet"}, key)
    (row,) = api.rows(select(IdempotencyKey).where(IdempotencyKey.key == key))
    secret = api.headers["Authorization"].removeprefix("Bearer ")
    assert secret not in str(vars(row))
    assert re.fullmatch(r"token:\d+", row.owner)
    assert re.fullmatch(r"[0-9a-f]{64}", row.fingerprint)


def test_tenant_is_called_back_once_when_that_is_repeated(api: Caller) -> None:
    number, key = api.tenant()["id"], new_key()
    api.delete(f"/tenants/{number}")
    first = api.post(f"/tenants/{number}/restore", key=key)
    assert first.status_code == 202
    api.delete(f"/tenants/{number}")
    assert answer_of(api.post(f"/tenants/{number}/restore", key=key)) == answer_of(first)
    assert api.get(f"/tenants/{number}").json["status"] == "deleted"
