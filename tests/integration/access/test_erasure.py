"""`flask users erase`: a former colleague's address is nowhere, and every entry is still there."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from apiflask import APIFlask
from click.testing import Result
from sqlalchemy import Engine, String, Text, func, insert, select
from sqlalchemy.exc import DatabaseError

import webapp.auth.models  # noqa: F401
from tests.access import ON_EACH_DATABASE, SETUP, Visitor, add_user, database_of
from webapp.audit.permits import permitted
from webapp.auth import erasure
from webapp.auth.erasure import ADDRESSED, TEXTS, erase_user
from webapp.auth.login_counts import key_of
from webapp.auth.models import LoginCount, User
from webapp.auth.roles import Role
from webapp.db.types import utc_now
from webapp.idempotency import Answer, Key, WithKey
from webapp.models.audit import Actor, AuditEntry, Via
from webapp.models.base import Model
from webapp.models.operation import OperationKind
from webapp.models.partition import PartitionEvent
from webapp.operations.selection import Selection
from webapp.services import Services

Run = Callable[..., Result]

JANE = "jane.doe@example.com"
OTHER = "mary.jane.doe@example.com"
HERE = Actor(f"user:{JANE}", Via.PANEL, "192.0.2.7", "r-1")
BOSS = Actor(f"user:{OTHER}", Via.PANEL, "192.0.2.9", "r-2")
# What no person can stand in, by table; a new column belongs here or into `TEXTS`.
IMPERSONAL = {
    "activity": {"resolution", "durations"},
    "api_token": {"role", "digest"},
    "audit_entry": {"via", "action", "request_id"},
    "audit_permit": {"pseudonym"},
    "brake": {"collection", "reason", "found_name"},
    "circuit": {"name", "cause", "message"},
    "collection_size": {"collection"},
    "condition": {"key", "subject", "severity"},
    "departure": {"request_id", "outcome", "real_collection"},
    "heartbeat": {"name"},
    # The owner is a user's number; the rows of an erased user are deleted.
    "idempotency_key": {"owner", "key", "fingerprint", "location"},
    "installation": {"nonce", "identity", "reason"},
    "leadership": {"name", "holder"},
    "login_count": {"key"},
    "observed_collection": {
        *("collection", "cause", "error", "real_name", "moved_to", "fields"),
        *("canary_outcome", "canary_message"),
    },
    "operation": {"kind", "state", "via", "request_id", "cause", "skipped"},
    "orphan_request": {
        *("collection", "partition", "action", "real_collection", "outcome", "message", "via"),
        "request_id",
    },
    "panel_user": {"password", "role", "fs_uniquifier"},
    "partition": {
        *("name", "collection", "state", "claimed_job_id", "job_id", "request_id", "result"),
        *("provider", "cause", "error", "if_exists"),
    },
    "partition_drift": {"collection", "partition", "kind", "note"},
    "partition_event": {"event", "provider", "cause", "job_id", "request_id"},
    "pause": {"name"},
    "process": {"name", "kind", "host", "release", "settings", "activity", "redis"},
    "retention": {"name", "error"},
    "stored_secret": {"name", "value"},
    # Customers, not people who use the panel.
    "tenant": {"name", "slug", "folded_name", "folded_from"},
    "upload": {"state", "via", "request_id", "layout"},
    "upload_row": {"number", "name", "slug", "outcome", "cells", "problems"},
}


def services(app: APIFlask) -> Services:
    found: Services = app.extensions["services"]
    return found


def leave_traces(app: APIFlask) -> int:
    """Everything that the panel stores about somebody; returns a tenant's number."""
    own, visitor = services(app), Visitor(app)
    add_user(app, Role.ADMIN, OTHER)
    add_user(app, Role.ADMIN, JANE)
    assert visitor.login(JANE).status_code == 302
    Visitor(app).login(JANE, "wrong password")
    tenant = own.tenants.create("Acme", actor=HERE)
    own.tenants.rename(tenant.id, name="Acme Group", actor=BOSS)
    own.pauses.pause(f"ask {JANE.upper()}, not {OTHER}", actor=HERE)
    own.operations.ask(OperationKind.DELETE, Selection(tenant_ids=(tenant.id,)), actor=HERE)
    own.uploads.check(f"of {JANE}.csv", b"name\nNew\n", actor=HERE)
    with own.database.transaction() as session:
        key = WithKey(Key("user:2", "k", "f"), lambda _: Answer(200, HERE.name))
        key.begin(session)
        key.finish(session, None)
    return tenant.id


def everything(engine: Engine) -> str:
    """All that the database has, as one text."""
    with engine.connect() as connection:
        rows = [
            tuple(row)
            for table in Model.metadata.sorted_tables
            for row in connection.execute(select(table))
        ]
    return "\n".join(map(str, rows))


def test_each_column_of_text_is_erased_or_known_to_hold_no_person() -> None:
    erased = {
        (table.__tablename__, name)
        for table, names in TEXTS.items()
        for name in (*names, *(["address"] if table in ADDRESSED else []))
    }
    texts = {
        (table.name, column.name)
        for table in Model.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, String | Text)
    }
    impersonal = {(table, name) for table, names in IMPERSONAL.items() for name in names}
    assert texts - impersonal - {("panel_user", "email")} == erased


@ON_EACH_DATABASE
def test_an_address_is_nowhere_and_each_entry_still_there_when_a_person_is_erased(
    app: APIFlask, run: Run
) -> None:
    leave_traces(app)
    engine = Visitor(app).engine
    with database_of(app).reading() as session:
        entries = session.scalar(select(func.count()).select_from(AuditEntry))
    before = everything(engine)
    assert before.count("192.0.2.7") == 6
    result = run("users", "erase", "--email", "Jane.Doe@example.com", "--yes")
    assert (result.exit_code, result.stdout) == (0, "erased-user-2\n")
    after = everything(engine)
    assert JANE not in after.replace(OTHER, "").lower()
    assert "192.0.2.7" not in after
    assert after.count(OTHER) == before.count(OTHER)
    assert "192.0.2.9" in after
    assert f"ask erased-user-2, not {OTHER}" in after
    with database_of(app).reading() as session:
        audited = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        counts = session.scalars(select(LoginCount.key)).all()
    assert counts
    assert key_of("guess for", JANE) not in counts
    assert len(audited) == (entries or 0) + 1
    assert {entry.actor for entry in audited} == {
        *("cli", "anonymous", "user:erased-user-2", f"user:{OTHER}")
    }
    last = audited[-1]
    assert (last.action, last.target, last.actor) == ("user.erase", "user erased-user-2", "cli")
    actors = [
        json.loads(run("audit", "--actor", name, "--json").stdout)
        for name in ("erased-user-2", JANE)
    ]
    assert [bool(found) for found in actors] == [True, False]


def test_an_erased_person_is_kept_out_and_can_be_a_new_user(app: APIFlask, run: Run) -> None:
    add_user(app, Role.ADMIN)
    add_user(app, Role.OPERATOR, JANE)
    visitor = Visitor(app)
    visitor.login(JANE)
    run("users", "erase", "--email", JANE, "--yes")
    assert not visitor.is_logged_in()
    assert Visitor(app).login(JANE).status_code == 200
    users = json.loads(run("users", "list", "--json").stdout)
    assert [(user["email"], user["active"]) for user in users][-1:] != [(JANE, True)]
    assert run("users", "create", "--email", JANE, "--role", "viewer").exit_code == 0
    assert run("users", "erase", "--email", JANE, "--yes").stdout == "erased-user-3\n"


def test_an_interrupted_erasure_ends_with_the_same_pseudonym_when_it_is_repeated(
    app: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_traces(app)
    database = database_of(app)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with app.app_context():
        with monkeypatch.context() as patched:
            patched.setattr(erasure, "_forget", die)
            with pytest.raises(KeyboardInterrupt):
                erase_user(database, JANE, actor=SETUP)
        assert erase_user(database, JANE, actor=SETUP).pseudonym == "erased-user-2"
    assert JANE not in everything(Visitor(app).engine).replace(OTHER, "").lower()


def test_who_is_no_user_is_erased_as_well_and_commands_lose_a_named_address(
    app: APIFlask, run: Run
) -> None:
    add_user(app)
    Visitor(app).login("typo@example.com")
    result = run("users", "erase", "--email", "typo@example.com", "--yes")
    assert result.stdout == "erased-address\n"
    database = database_of(app)
    with database.reading() as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.actor == "anonymous"))
        assert (entry.target, entry.address) == ("user erased-address", None)
        (created,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "user.create"))
    own = services(app)
    own.pauses.pause(actor=Actor("cli", Via.CLI, str(created.address)))
    assert str(created.address) in str(own.pauses.state())
    given = ("--address", str(created.address))
    run("users", "erase", "--email", "typo@example.com", *given, "--yes")
    with database.reading() as session:
        assert session.get_one(AuditEntry, created.id).address is None
    paused = own.pauses.state()
    assert paused and paused.by == "cli"


def test_a_question_is_asked_and_the_last_admin_stays(app: APIFlask, run: Run) -> None:
    add_user(app, Role.ADMIN, JANE)
    refused = run("users", "erase", "--email", JANE)
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    last = run("users", "erase", "--email", JANE, "--yes")
    assert last.exit_code == 2
    assert "create another one first" in last.stderr
    with database_of(app).reading() as session:
        assert session.scalars(select(User.active)).all() == [True]
        assert session.scalars(select(AuditEntry.action)).all() == ["user.create"]


@ON_EACH_DATABASE
@pytest.mark.parametrize(
    "change", ["action = 'x'", "actor = 'user:somebody'", "address = '192.0.2.1'", "tenant_id = 1"]
)
def test_a_permit_lets_only_a_person_be_erased(app: APIFlask, run: Run, change: str) -> None:
    leave_traces(app)
    run("users", "erase", "--email", JANE, "--yes")
    database = database_of(app)
    with database.reading() as session:
        number = session.scalars(select(func.max(AuditEntry.id))).one()
    statement = f"UPDATE audit_entry SET {change} WHERE action <> 'tenant.create'"
    with (
        pytest.raises(DatabaseError, match="only ever added to"),
        database.transaction() as session,
        permitted(session, number, pseudonym="erased-user-2"),
    ):
        session.connection().exec_driver_sql(statement)


def test_many_rows_are_changed_in_small_transactions(
    app: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = leave_traces(app)
    monkeypatch.setattr(erasure, "LOOKED_AT", 7)
    monkeypatch.setattr(erasure, "CHANGED_AT_ONCE", 3)
    event = {"tenant_id": tenant_id, "event": "x", "at": utc_now() - timedelta(days=1)}
    rows = [event | {"actor": HERE.name if n % 2 else "sweep"} for n in range(50)]
    with database_of(app).transaction() as session:
        session.execute(insert(PartitionEvent), rows)
    with app.app_context():
        assert erase_user(database_of(app), JANE, actor=SETUP).rows >= 25
    assert JANE not in everything(Visitor(app).engine).replace(OTHER, "").lower()
