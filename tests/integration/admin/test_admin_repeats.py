"""One form sent twice: one effect, and the same answer to both."""

import io
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from tests.access import Visitor, add_user, close, database_of, migrated_app, settings_in
from tests.integration.access.conftest import new_address
from tests.integration.admin.tenants import add_failed, add_tenant
from webapp.auth.roles import Role
from webapp.db.types import utc_now
from webapp.idempotency import WithKey
from webapp.models.audit import AuditEntry
from webapp.models.csv_import import Upload
from webapp.models.idempotency import IdempotencyKey
from webapp.models.tenant import Tenant

NEW = "/admin/tenant/new/"
IMPORT = "/admin/import/"
FIELD = re.compile(r'name="(csrf_token|form_key)" value="([^"]+)"')


@pytest.fixture(params=["sqlite", "postgresql"])
def any_app(request: pytest.FixtureRequest, tmp_path: Path, own_redis: str) -> Iterator[APIFlask]:
    url: dict[str, str] = {}
    if request.param == "postgresql":
        fresh: Callable[[], str] = request.getfixturevalue("fresh_database")
        url = {"database_url": fresh(), "secret_key": "sixteen characters or more"}
    app = migrated_app(settings_in(tmp_path, redis_url=own_redis, **url))
    yield app
    close(app)


def operator_of(app: APIFlask) -> Visitor:
    visitor = Visitor(app, new_address())
    visitor.login(add_user(app, Role.OPERATOR))
    return visitor


def drawn(visitor: Visitor, page: str, action: str = "") -> dict[str, str]:
    """The hidden fields of the form on the page that goes to `action`."""
    text = visitor.get(page).text
    start = text.index(f'action="{action}"') if action else text.index("<main")
    return dict(FIELD.findall(text[start:])[:2])


def twin(visitor: Visitor) -> Visitor:
    """Another connection of the same browser, for what is sent at the same moment."""
    other = Visitor(visitor.client.application, "127.0.0.1")
    other.steal(visitor.session_cookie())
    return other


def at_once(
    visitor: Visitor, path: str, form: Callable[[], dict[str, Any]], times: int = 4
) -> list[TestResponse]:
    visitors = [twin(visitor) for _ in range(times)]
    together = threading.Barrier(times)

    def send(each: Visitor) -> TestResponse:
        together.wait()
        return each.post(path, form())

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(send, visitors))


def count(app: APIFlask, what: Any) -> int:
    with database_of(app).reading() as session:
        return session.scalar(select(func.count()).select_from(what)) or 0


def test_one_tenant_is_made_when_the_form_is_sent_several_times_at_once(
    any_app: APIFlask,
) -> None:
    visitor = operator_of(any_app)
    form = {"name": "Acme", "slug": "", **drawn(visitor, NEW)}
    answers = at_once(visitor, NEW, lambda: form)
    assert {(answer.status_code // 100, answer.location) for answer in answers} == {
        (3, "/admin/tenant/details/?id=1")
    }
    assert count(any_app, Tenant) == 1


def test_one_file_is_taken_when_it_is_checked_several_times_at_once(any_app: APIFlask) -> None:
    visitor = operator_of(any_app)
    hidden = drawn(visitor, IMPORT, f"{IMPORT}check/")

    def form() -> dict[str, Any]:
        return {**hidden, "file": (io.BytesIO(b"name\nAcme\n"), "tenants.csv")}

    answers = at_once(visitor, f"{IMPORT}check/", form)
    assert {answer.location for answer in answers} == {f"{IMPORT}show/?id=1"}
    assert count(any_app, Upload) == 1
    corrected = {**hidden, "file": (io.BytesIO(b"name\nAcme Ltd\n"), "tenants.csv")}
    assert visitor.post(f"{IMPORT}check/", corrected).location == f"{IMPORT}show/?id=2"


def test_both_are_told_that_the_tenant_stays_when_keep_is_pressed_twice(
    any_app: APIFlask,
) -> None:
    visitor, tenant_id = operator_of(any_app), add_tenant(any_app)
    page = f"/admin/tenant/details/?id={tenant_id}"
    delete = {**drawn(visitor, f"/admin/tenant/delete/?id={tenant_id}"), "id": str(tenant_id)}
    visitor.post("/admin/tenant/delete/", delete)
    visitor.get(page)
    keep = {"tenant_id": str(tenant_id), **drawn(visitor, page, "/admin/tenant/restore/")}
    first, second = twin(visitor), twin(visitor)
    for each in (first, second):
        assert each.post("/admin/tenant/restore/", keep).location == page
        shown = each.get(page).text
        assert "stays." in shown
        assert "danger-role" not in shown
    with database_of(any_app).reading() as session:
        kept = select(func.count()).where(AuditEntry.action == "tenant.restore")
        assert session.scalar(kept) == 1


def test_another_tenant_is_made_when_the_form_was_changed_on_the_way_back(
    app: APIFlask, operator: Visitor
) -> None:
    form = drawn(operator, NEW)
    for name in ("Acme", "Globex"):
        assert operator.post(NEW, {"name": name, **form}).status_code == 302
    assert count(app, Tenant) == 2


def test_the_form_can_be_sent_again_when_it_was_refused(app: APIFlask, operator: Visitor) -> None:
    form = drawn(operator, NEW)
    add_tenant(app, "Acme")
    taken = {"name": "Acme", "slug": "acme", **form}
    assert operator.post(NEW, taken).status_code == 422
    assert operator.post(NEW, taken).status_code == 422
    with database_of(app).transaction() as session:
        session.execute(update(Tenant).values(slug="other"))
    assert operator.post(NEW, taken).status_code == 302
    assert count(app, Tenant) == 2


def test_it_is_said_that_nothing_was_done_when_a_form_is_sent_long_after(
    app: APIFlask, operator: Visitor
) -> None:
    form = {"name": "Acme", **drawn(operator, NEW)}
    place = operator.post(NEW, form).location
    operator.get(place or "")
    with database_of(app).transaction() as session:
        long_ago = utc_now() - timedelta(minutes=2)
        session.execute(update(IdempotencyKey).values(created_at=long_ago))
    assert operator.post(NEW, form).location == place
    assert "This form was sent before" in operator.get(place or "").text
    assert count(app, Tenant) == 1


def test_a_retry_answers_with_the_same_fragment_when_it_is_pressed_twice(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_failed(app)
    form = {"tenant_id": str(tenant_id), **drawn(operator, NEW)}
    headers = {"HX-Request": "true"}
    answers = [operator.post("/admin/tenant/retry/", form, headers=headers) for _ in range(2)]
    assert "Queued at" in answers[0].text
    assert answers[0].text == answers[1].text


def test_the_key_of_another_user_is_another_key(app: APIFlask) -> None:
    one, two = operator_of(app), operator_of(app)
    key = drawn(one, NEW)["form_key"]
    for each in (one, two):
        form = {**drawn(each, NEW), "form_key": key, "name": "Acme"}
        assert each.post(NEW, form).status_code == 302
    assert count(app, Tenant) == 2


def test_nothing_is_lost_when_the_process_dies_before_the_effect(
    app: APIFlask, operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"name": "Acme", **drawn(operator, NEW)}
    begin = WithKey.begin

    def die(self: WithKey, session: Any) -> None:
        begin(self, session)
        raise OSError("killed")

    with monkeypatch.context() as dying:
        dying.setattr(WithKey, "begin", die)
        assert operator.post(NEW, form).status_code == 500
    assert operator.post(NEW, form).status_code == 302
    assert count(app, Tenant) == 1
