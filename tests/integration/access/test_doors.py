"""Every address with every method for every kind of caller: who is let in, and what may change.

A safe method changes nothing, whoever sends it; nor does any method of those who may not.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask import Response
from redis import Redis
from rq.registry import FailedJobRegistry
from sqlalchemy import Engine, select, text, update
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import RequestRedirect

from tests.access import SETUP, Visitor, add_token, close, database_named, migrated_app, settings_in
from tests.engines.redis import RedisServer
from tests.integration.admin.panel import OpenPanel
from tests.integration.api.caller import unique
from webapp import current
from webapp.auth.roles import Role
from webapp.auth.tokens import revoke_token
from webapp.db.safe_methods import SAFE_METHODS, ChangeRefused
from webapp.db.types import utc_now
from webapp.extensions import db
from webapp.models.audit import Via
from webapp.models.base import Model
from webapp.models.causes import Cause
from webapp.models.control import Brake
from webapp.models.observed import PartitionDrift
from webapp.models.operation import OperationKind
from webapp.models.partition import Departure
from webapp.models.states import DepartureOutcome, DriftKind, PartitionState
from webapp.numbers.witness import KEY
from webapp.operations.selection import Selection
from webapp.tenants.service import TenantService

SAFE = sorted(SAFE_METHODS)
# A POST comes last: the one to /logout ends the session.
UNSAFE = ["DELETE", "PATCH", "PUT", "POST"]
OPEN = {
    *("static", "admin.static", "security.login", "language"),
    *("health.healthz", "health.readyz"),
}
# What a viewer may open. All else of the panel is for operators, and so is whatever is new.
VIEWERS = {
    *("home", "logout_page", "security.logout", "admin.index", "admin.live"),
    *("tenant.index_view", "tenant.list_live", "tenant.details_view", "tenant.live"),
    *("tenant.departure", "partitions.index", "partitions.live", "partitions.brake"),
    *("partitions.orphan", "partitions.orphan_live"),
    *("operations.index", "operations.index_live", "operations.show", "operations.live"),
    *("uploads.index", "uploads.show", "uploads.live", "uploads.result", "uploads.rejects"),
    *("uploads.template", "export.index", "export.tenants"),
    *("help.index", "help.show", "help.picture"),
}
# Flask-Admin demands a first page of each view: this one does not exist.
NEVER = {"export.index"}
# Every view finds what it wants here, and looks at nothing else.
BRAKED = "kb_chunks_v0"
QUERY = f"kind=retry&scope=matching&state=failed&collection={BRAKED}&partition=tenant_900"
FAILED, REMOVED, FOREIGN = 1, 2, 3
# What a safe request notes: the last use of a token, and that a list was saved.
NOTED = {"api_token": "last_used_at"}
# Who may do what does not depend on the database.
SQLITE = pytest.mark.parametrize("house", ["sqlite"], indirect=True, scope="module")
NOTES = {"export.tenants", "export.audit"}


def by_session() -> str:
    db.session.execute(RENAMING)
    db.session.commit()
    return ""


def by_connection() -> str:
    with db.engine.begin() as connection:
        connection.execute(RENAMING)
    return ""


def by_driver() -> str:
    connection = db.engine.raw_connection()
    try:
        connection.cursor().execute(str(RENAMING))
        connection.commit()
    finally:
        connection.close()
    return ""


def by_service() -> str:
    return renamed(current.tenants())


def streamed() -> Response:
    tenants = current.tenants()
    return Response(renamed(tenants) for _ in range(1))


def renamed(tenants: TenantService) -> str:
    return tenants.rename(FAILED, name=unique("renamed"), actor=SETUP).name


def by_redis() -> str:
    current.services().job_queue.connection.incr("renamed")
    return ""


def by_queue() -> str:
    current.services().job_queue.queue.enqueue_call("renamed.yes")
    return ""


RENAMING = text(f"UPDATE tenant SET name = name || '!' WHERE id = {FAILED}")
# Views that change something whatever the method: each way there is to the database and to Redis.
FAULTY: dict[str, Callable[[], Any]] = {
    view.__name__: view
    for view in (by_session, by_connection, by_driver, by_service, streamed, by_redis, by_queue)
}


@dataclass
class House:
    """An application with something to open behind every door."""

    app: APIFlask
    engine: Engine
    redis: Redis
    values: dict[str, Any]

    def doors(self, numbers: tuple[int, ...] = (FAILED,)) -> list[str]:
        with self.app.test_request_context():
            return sorted(
                {
                    f"{built[1]}?id={number}&{QUERY}"
                    for rule in self.app.url_map.iter_rules()
                    if rule.endpoint not in FAULTY
                    for number in (numbers if rule.endpoint.startswith("tenant.") else (FAILED,))
                    if (built := rule.build({**self.values, **(rule.defaults or {})}, False))
                }
            )

    def endpoint(self, address: str, method: str) -> str | None:
        """What answers there; None where the method is not taken."""
        try:
            found: str = self.app.url_map.bind("localhost").match(
                address.split("?", maxsplit=1)[0], method
            )[0]
        except MethodNotAllowed:
            return None
        except RequestRedirect:
            return "redirect"
        return found

    def contents(self) -> dict[str, Any]:
        """All that the database and Redis hold, but for what reading may note."""
        # The highest number is written in the background, a moment after the sign-up.
        keys = set(self.redis.scan_iter()) - {KEY.encode()}
        held: dict[str, Any] = {key: self.redis.dump(key) for key in keys}
        with self.engine.connect() as connection:
            for table in Model.metadata.sorted_tables:
                columns = [each for each in table.c if each.name != NOTED.get(table.name)]
                rows = {tuple(row) for row in connection.execute(select(*columns))}
                held[table.name] = {row for row in rows if not NOTES & set(map(str, row))}
        return held


@dataclass
class Guest:
    """Somebody who asks: with a session, with a token, or with neither."""

    name: str
    visitor: Visitor
    role: Role | None = None
    headers: dict[str, str] = field(default_factory=dict)
    brings_csrf_token: bool = True

    @property
    def has_token(self) -> bool:
        """Whether a session would not be looked at where tokens count."""
        return "Authorization" in self.headers

    def ask(self, method: str, address: str) -> int:
        """The answer's status, once all of its body was made."""
        with self.visitor.client.open(address, method=method, headers=self.headers) as answer:
            assert answer.get_data() is not None
            return answer.status_code

    def role_at(self, address: str) -> Role | None:
        counts = not self.has_token or address.startswith(("/api/", "/metrics"))
        return self.role if counts else None


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(
    request: pytest.FixtureRequest,
    new_directory: Callable[[str], Path],
    redis_server: RedisServer,
) -> Iterator[House]:
    """The application on each database, with rows and jobs of every kind."""
    values = {"redis_url": redis_server.new_database(), **database_named(request)}
    app = migrated_app(settings_in(new_directory("doors"), **values))
    for name, view in FAULTY.items():
        app.add_url_rule(f"/{name}", name, view, methods=["GET", "POST"])
    panel = OpenPanel(app)
    yield _furnished(House(app, panel.engine, panel.job_queue.connection, {}))
    close(app)


def _furnished(house: House) -> House:
    panel = OpenPanel(house.app)
    tenants = [panel.add_failed(), panel.add_tenant(), panel.add_failed("Odd", Cause.FOREIGN_DATA)]
    assert tenants == [FAILED, REMOVED, FOREIGN]
    panel.services.tenants.delete(REMOVED, actor=SETUP)
    panel.change(REMOVED, state=PartitionState.REMOVED)
    panel.execute(update(Departure).values(dropped_at=utc_now(), outcome=DepartureOutcome.DROPPED))
    brake = {"collection": BRAKED, "reason": Cause.PARTITIONS_GONE, "gone": 12, "proven": 12}
    panel.store(Brake(since=utc_now(), **brake))
    panel.services.uploads.check("new.csv", b"name\nNew\n\n,\n", actor=SETUP)
    panel.services.operations.ask(OperationKind.RETRY, Selection.of_failed(), actor=SETUP)
    orphan = {"collection": BRAKED, "partition": "tenant_900", "kind": DriftKind.ORPHAN}
    panel.store(PartitionDrift(**orphan))
    queue = panel.job_queue.queue
    job_id = f"t{FAILED}-g1-d1"
    queue.remove(job_id)
    house.redis.hset(f"rq:job:{job_id}", "status", "failed")
    # What RQ takes away while it reads: entries of jobs, workers and executions that are gone.
    house.redis.zadd(FailedJobRegistry(queue=queue).key, {job_id: 9e9, "t98-g1-d1": 9e9})
    house.redis.rpush(queue.key, "t99-g1-d1")
    house.redis.hset("rq:worker:alive", mapping={"state": "busy", "queues": queue.name})
    house.redis.sadd("rq:workers", "rq:worker:alive", "rq:worker:gone")
    house.redis.sadd("rq:worker:alive:executions", f"{job_id}:0123")
    house.values |= {
        **{"instance_number": 0, "queue_name": queue.name, "registry_name": "failed"},
        **{"job_id": job_id, "per_page": 8, "order": "asc", "page": 1, "tenant_id": FAILED},
        **{"filename": "css/main.css", "export_type": "csv"},
        **{"document": "how-it-works", "picture": "overview.png", "collection": BRAKED},
    }
    return house


def stranger(house: House, name: str = "anonymous", token: str = "") -> Guest:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Guest(name, Visitor(house.app), headers=headers)


def with_token(house: House, role: Role) -> Guest:
    guest = stranger(house, f"{role} by token", add_token(house.app, role))
    guest.role = role
    return guest


def with_session(house: House, role: Role, *, csrf: bool = True) -> Guest:
    visitor = Visitor(house.app)
    visitor.enter(role)
    headers = {"X-CSRFToken": visitor.csrf_token("/admin/")} if csrf else {}
    return Guest(f"{role} by session, CSRF token: {csrf}", visitor, role, headers, csrf)


def test_nothing_changes_when_the_method_is_safe(house: House) -> None:
    guests = [with_token(house, Role.ADMIN), with_session(house, Role.ADMIN)]
    before = house.contents()
    asked = [("GET", address) for address in house.doors((FAILED, REMOVED, FOREIGN))]
    if house.engine.dialect.name == "sqlite":
        # PostgreSQL alone refuses locks of rows, which a GET that lets its guest in would ask for.
        guests.append(stranger(house))
        asked += [(method, address) for method in ("HEAD", "OPTIONS") for address in house.doors()]
    statuses = {
        (guest.name, address, method): guest.ask(method, address)
        for guest in guests
        for method, address in asked
    }
    after = house.contents()
    assert {key for key in before | after if before.get(key) != after.get(key)} == set()
    assert {key: status for key, status in statuses.items() if status >= 500} == {}
    heads = {key: status for key, status in statuses.items() if key[2] == "HEAD"}
    assert heads == {key: statuses[*key[:2], "GET"] for key in heads}


@pytest.mark.parametrize("name", FAULTY)
def test_a_view_that_writes_is_refused_and_logged_when_the_method_is_safe(
    house: House, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    guest, before = with_session(house, Role.ADMIN), house.contents()
    for method in ("GET", "HEAD"):
        try:
            status = guest.ask(method, f"/{name}")
        except ChangeRefused:
            # The answer had begun: the server cuts it off.
            assert (name, method) == ("streamed", "GET")
        else:
            assert status == 500 or (name, method) == ("streamed", "HEAD")
            assert status == 200 or re.search("method is safe|read-?only", caplog.text)
        caplog.clear()
    assert house.contents() == before
    assert guest.ask("POST", f"/{name}") == 200
    assert house.contents() != before


def test_what_is_read_says_who_read_it_when_the_method_is_safe(house: House) -> None:
    guest = with_token(house, Role.ADMIN)
    assert guest.ask("GET", "/api/tenants") == 200
    admin = with_session(house, Role.ADMIN)
    assert admin.ask("GET", "/admin/audit/export.csv") == 200
    with house.engine.connect() as connection:
        used = text("SELECT count(*) FROM api_token WHERE last_used_at IS NOT NULL")
        noted = text("SELECT count(*) FROM audit_entry WHERE action = 'export.audit'")
        assert connection.scalar(used) and connection.scalar(noted)


@SQLITE
def test_viewers_see_from_which_address_nobody_came(house: House) -> None:
    from_afar = replace(SETUP, via=Via.PANEL, address="203.0.113.77")
    with house.app.app_context():
        number = current.tenants().create("Far", actor=from_afar).id
        current.tenants().rename(number, name="Far away", actor=from_afar)
        current.services().pauses.pause("a look", actor=from_afar)
    for guest in (with_token(house, Role.VIEWER), with_session(house, Role.VIEWER)):
        for address in house.doors((FAILED, number)):
            answer = guest.visitor.get(address, headers=guest.headers)
            page = answer.data.decode(errors="replace")
            answer.close()
            assert "203.0.113.77" not in page, address
            assert answer.status_code != 200 or "/admin/audit/" not in page, address
    operator = with_token(house, Role.OPERATOR)
    assert "203.0.113.77" in operator.visitor.get("/api/audit", headers=operator.headers).text


def needed(endpoint: str, method: str) -> Role:
    if endpoint.startswith("rq_dashboard."):
        return Role.ADMIN
    if endpoint.startswith("api.") and endpoint != "api.audit":
        return Role.VIEWER if method in SAFE else Role.OPERATOR
    return Role.VIEWER if endpoint in VIEWERS else Role.OPERATOR


def wanted(house: House, guest: Guest, method: str, address: str) -> set[int]:
    """The statuses that the guest may get there; empty where it is any but a refusal."""
    endpoint, role = house.endpoint(address, method), guest.role_at(address)
    if role is None and endpoint not in OPEN:
        return {401} if address.startswith(("/api/", "/metrics")) else {302}
    if method in UNSAFE and _wants_csrf_token(guest, address):
        # An old login form leads somebody who is logged in to the panel.
        return {400, 302} if endpoint == "security.login" else {400}
    if endpoint is None:
        return {405}
    if endpoint in OPEN or endpoint == "redirect":
        return set()
    if role is None or not role.includes(needed(endpoint, method)):
        # Flask itself answers OPTIONS, before the views of the panel are asked.
        return {403, 200} if method == "OPTIONS" else {403}
    if endpoint in NEVER and method != "OPTIONS":
        return {404}
    return {405} if endpoint == "rq_dashboard.requeue_all" and method != "POST" else set()


def _wants_csrf_token(guest: Guest, address: str) -> bool:
    if guest.has_token and address.startswith(("/api/", "/metrics")):
        return False
    return guest.role is None or guest.has_token or not guest.brings_csrf_token


def faults(house: House, guest: Guest, methods: list[str]) -> dict[tuple[str, ...], int]:
    found = {}
    # The way out comes last.
    for address in sorted(house.doors(), key=lambda each: each.startswith("/logout")):
        # Elsewhere tokens say nothing, so that all of their bearers are strangers alike.
        is_alike = guest.has_token and not address.startswith("/api/")
        for method in methods if not is_alike else ["GET"]:
            status, allowed = guest.ask(method, address), wanted(house, guest, method, address)
            refused = status in {401, 403, 405} or status >= 500
            if status not in allowed if allowed else refused:
                found[guest.name, method, address] = status
    return found


@SQLITE
def test_nobody_is_let_in_or_changes_anything_when_the_role_is_not_theirs(house: House) -> None:
    revoked = add_token(house.app, Role.ADMIN, "revoked")
    revoke_token(Visitor(house.app).database, "revoked", actor=SETUP)
    guests = [
        *(stranger(house), stranger(house, "garbage", "x"), stranger(house, "revoked", revoked)),
        *(with_token(house, Role.VIEWER), with_session(house, Role.OPERATOR, csrf=False)),
        with_session(house, Role.VIEWER),
    ]
    before = house.contents()
    seen: dict[tuple[str, ...], int] = {}
    for guest in guests:
        # Whoever may see a page gets its HEAD as well, which the first test has looked at.
        safe = ["GET", "OPTIONS"] if guest.role and not guest.has_token else SAFE
        seen |= faults(house, guest, [*safe, *UNSAFE])
    after = house.contents()
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    # The viewer logged out at the end, which is theirs to do; failed logins are counted.
    assert changed - {"panel_user", "audit_entry", "login_count"} == set()
    assert seen == {}


@SQLITE
def test_every_door_opens_when_the_role_is_high_enough(house: House) -> None:
    guests = [
        *(with_token(house, Role.OPERATOR), with_token(house, Role.ADMIN)),
        *(with_session(house, Role.OPERATOR), with_session(house, Role.ADMIN)),
    ]
    assert [faults(house, guest, ["GET", *UNSAFE]) for guest in guests] == [{}] * len(guests)
