"""Text of every kind through every door: never an error of ours, and shown as it is kept.

The doors are the API, the panel's forms, a file and the commands. The suite tries a few texts, the
same ones each time; `PARATIA_TEST_TEXTS=300` tries others.
"""

import csv
import html
import json
import os
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from tests.access import Visitor, add_user, close, database_of, migrated_app, settings_in
from tests.integration.api.caller import Caller
from webapp.auth.roles import Role
from webapp.models.tenant import Tenant
from webapp.tenants.csv_cells import BOM, to_csv, unguarded
from webapp.texts import as_typed

TEXTS = int(os.environ.get("PARATIA_TEST_TEXTS", "0"))
OLD = ("Acme\u202egnp.exe", "Ac\u200bme\u00ad", "\u2066Acme\u2069 x", "\u200b\u2063", "\u3164")

# Each category of Unicode as often as the others: most of all characters are private or unassigned.
CATEGORIES = (
    *("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe"),
    *("Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn"),
)
SENDABLE = st.sampled_from(CATEGORIES).flatmap(
    lambda category: st.characters(categories=[category])  # type: ignore[arg-type]
)
text = st.text(st.one_of(SENDABLE, st.characters(codec="ascii")), max_size=12)
# What only JSON and arguments of a process can bring.
any_text = st.text(st.one_of(SENDABLE, st.characters(categories=["Cs"])), max_size=12)

some = settings(
    max_examples=TEXTS or 8,
    derandomize=not TEXTS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
    # A failure is a short text already, and each try costs pages.
    phases=[Phase.explicit, Phase.generate],
)


@dataclass(frozen=True)
class House:
    """An application, a program and a person who use it."""

    app: APIFlask
    api: Caller
    person: Visitor
    token: str

    def send(self, path: str, **fields: Any) -> Any:
        answer = self.person.post(path, {"csrf_token": self.token, **fields})
        assert answer.status_code in {200, 302, 303, 422}, (path, fields, answer.status_code)
        return answer

    def look(self, path: str, **query: str) -> str:
        answer = self.person.get(path, query_string=query)
        assert answer.status_code == 200, (path, query, answer.status_code)
        return answer.text


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def house(
    request: pytest.FixtureRequest, new_directory: Callable[[str], Path], redis_url: str
) -> Iterator[House]:
    values: dict[str, Any] = {"redis_url": redis_url, "partition_queue": f"q{secrets.token_hex(4)}"}
    if request.param == "postgres":
        values["database_url"] = request.getfixturevalue("postgres_url")
        values["secret_key"] = "for these tests and nothing else"
    app = migrated_app(settings_in(new_directory("texts"), **values))
    person = Visitor(app)
    person.login(add_user(app, Role.ADMIN))
    yield House(app, Caller(app, Role.ADMIN), person, person.csrf_token("/admin/"))
    close(app)


# PostgreSQL takes fewer characters than SQLite: what leads to no search is tried there alone.
on_postgres = pytest.mark.parametrize("house", ["postgres"], indirect=True, scope="module")


def shown(page: str, tag: str = "h1") -> str:
    """The text of the first element of this kind, as a browser has it."""
    found = re.search(rf"<{tag}[^>]*>(.*?)</{tag}>", page, re.DOTALL)
    assert found, f"no {tag}"
    return html.unescape(re.sub(r"<[^>]+>", "", found[1]))


def assert_kept(house: House, tenant_id: int, name: str) -> None:
    """The name is the same on every page and in the API, and is typed to delete the tenant."""
    assert house.api.get(f"/tenants/{tenant_id}").json["name"] == name
    one = {"id": str(tenant_id)}
    assert shown(house.look("/admin/tenant/details/", **one)) == name
    assert name in html.unescape(house.look("/admin/tenant/edit/", **one))
    assert name in html.unescape(house.look("/admin/audit/", tenant=str(tenant_id)))
    assert name in html.unescape(house.look("/admin/tenant/", search=str(tenant_id)))
    assert_deletable(house, tenant_id)


def assert_deletable(house: House, tenant_id: int) -> None:
    """What the page asks to type is not another's name, and is enough when it is copied."""
    page = house.look("/admin/tenant/delete/", id=str(tenant_id))
    wanted = shown(page, "q")
    assert as_typed(wanted)
    refused = house.send("/admin/tenant/delete/", id=str(tenant_id), typed=f"{wanted}x")
    assert refused.status_code == 422
    assert house.send("/admin/tenant/delete/", id=str(tenant_id), typed=wanted).status_code == 302
    assert house.api.get(f"/tenants/{tenant_id}").json["status"] == "deleted"
    assert house.look("/admin/tenant/details/", id=str(tenant_id))


@some
@given(name=any_text)
def test_a_name_is_shown_as_it_is_kept_when_a_program_gives_it(house: House, name: str) -> None:
    answer = house.api.post("/tenants", {"name": name})
    assert answer.status_code in {201, 422}
    if answer.status_code == 201:
        kept = answer.json["name"]
        assert unicodedata.normalize("NFC", kept) == kept == kept.strip()
        assert_kept(house, answer.json["id"], kept)


@some
@given(name=text, slug=text)
def test_a_name_is_shown_as_it_is_kept_when_a_person_gives_it(
    house: House, name: str, slug: str
) -> None:
    house.send("/admin/tenant/new/", name="Acme", slug=slug)
    answer = house.send("/admin/tenant/new/", name=name, slug="")
    if answer.status_code == 302:
        tenant_id = int(answer.location.rpartition("=")[2])
        house.send("/admin/tenant/edit/", id=str(tenant_id), name=name, slug=slug)
        assert_kept(house, tenant_id, house.api.get(f"/tenants/{tenant_id}").json["name"])


@on_postgres
@some
@given(names=st.lists(text, min_size=1, max_size=3), filename=text)
def test_a_file_is_shown_as_it_was_written_when_a_person_sends_it(
    house: House, names: list[str], filename: str
) -> None:
    data = to_csv([("name",), *((name,) for name in names)]).encode()
    answer = house.send("/admin/import/check/", file=(BytesIO(data), f"{filename}.csv"))
    if answer.status_code == 303:
        upload = answer.location.rpartition("=")[2]
        assert house.look("/admin/import/show/", id=upload)
        house.send("/admin/import/confirm/", upload_id=upload)
        for page in ("show/", "live/", "rejects.csv"):
            assert house.look(f"/admin/import/{page}", id=upload)
        result = house.look("/admin/import/result.csv", id=upload).removeprefix(BOM)
        for row in csv.DictReader(StringIO(result, newline="")):
            if row["outcome"] == "created":
                tenant = house.api.get(f"/tenants/{row['id']}").json
                assert tenant["name"] == unguarded(row["name"])
                assert unicodedata.normalize("NFC", tenant["name"]) == tenant["name"]


@on_postgres
@some
@given(reason=any_text)
def test_a_reason_is_shown_as_it_is_kept_when_provisioning_is_paused(
    house: House, reason: str
) -> None:
    answer = house.api.post("/partitions/pause", {"reason": reason})
    assert answer.status_code in {200, 422}
    if answer.status_code == 200 and (kept := answer.json["paused"]["reason"]):
        assert kept in html.unescape(house.look("/admin/"))
        assert kept in html.unescape(house.look("/admin/audit/", action="provisioning.pause"))
    assert house.api.post("/partitions/resume").status_code == 200
    with suppress(UnicodeEncodeError):
        house.send("/admin/pause/", reason=reason.encode().decode())
    assert house.api.post("/partitions/resume").status_code == 200


@some
@given(query=text)
def test_pages_and_lists_are_there_whatever_is_asked_for(house: House, query: str) -> None:
    for state in ("", "failed", "none"):
        house.look("/admin/tenant/list/live/", state=state, page=f"after-1-{query}")
    house.look("/admin/tenant/list/live/", page=f"before-1-{query}")
    house.look("/admin/partitions/", tab="all", search=query, page=query, cause=query)
    house.look("/admin/export/tenants.csv", search=query, cause=query, state=query)
    asked = dict.fromkeys(("search", "actor", "action", "tenant", "via", "request"), query)
    times = {"since": query, "until": query, "before": query, "span": query}
    for page in ("/admin/audit/", "/admin/audit/export.csv"):
        house.look(page, **asked)
        house.look(page, **times)
    house.look("/admin/operations/review/", kind="delete", scope="matching", search=query)
    for field in ("q", "actor", "action", "via", "request_id", "since", "until", "cursor", "limit"):
        assert house.api.get("/audit", **{field: query}).status_code in {200, 422}
    for field in ("q", "status", "cursor", "limit"):
        assert house.api.get("/tenants", **{field: query}).status_code in {200, 422}


@on_postgres
@some
@given(words=st.lists(any_text.map(lambda each: each.replace("\0", "")), min_size=3, max_size=3))
def test_commands_say_what_is_wrong_whatever_they_are_given(
    house: House, words: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "tenants.csv"
    numbers = [secrets.randbelow(10**12) + 10**6 for _ in words]
    rows = ((number, word, f"n{number}") for number, word in zip(numbers, words, strict=True))
    data = to_csv([("id", "name", "slug"), *rows])
    file.write_bytes(data.encode("utf-8", "surrogatepass"))
    first, second, third = words
    for arguments in (
        ("audit", "--text", first, "--actor", second, "--action", third, "--request-id", first),
        ("audit", "--since", first, "--until", second),
        ("tokens", "create", "--role", "viewer", "--name", first),
        ("tokens", "revoke", "--name", second),
        ("users", "create", "--role", "viewer", "--email", f"{secrets.token_hex(4)}{first}@b.c"),
        ("users", "deactivate", "--email", f"{second}@b.c"),
        ("tenants", "import", str(file)),
    ):
        result = house.app.test_cli_runner().invoke(args=list(arguments))
        assert result.exit_code in {0, 1, 2}, (arguments, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit), arguments
    for number in numbers if result.exit_code == 0 else ():
        assert_kept(house, number, house.api.get(f"/tenants/{number}").json["name"])


def test_a_name_of_old_is_shown_and_can_be_deleted(house: House) -> None:
    """As names were taken before invisible characters were refused."""
    for name in (*OLD, *OLD):
        tenant_id = house.api.tenant()["id"]
        with database_of(house.app).transaction() as session:
            session.execute(update(Tenant).where(Tenant.id == tenant_id).values(name=name))
        assert shown(house.look("/admin/tenant/details/", id=str(tenant_id))) == name
        assert_deletable(house, tenant_id)


TIMES = (
    {"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z"},
    {"since": "0001-01-01T00:00:00+23:59", "until": "9999-12-31T23:59:60-23:59"},
    {"since": "9999-12-31T23:59:59", "until": "0001-01-01"},
    {"since": "24h", "until": "99999d"},
    {"since": "0000-00-00", "until": "١٢"},
)


def test_the_audit_is_shown_whatever_times_are_given(house: House) -> None:
    for times in TIMES:
        house.look("/admin/audit/", **times)
        house.look("/admin/audit/export.csv", **times)
        options = [each for name, value in times.items() for each in (f"--{name}", value)]
        result = house.app.test_cli_runner().invoke(args=["audit", "--json", *options])
        assert result.exit_code in {0, 2}, result.exception
        if result.exit_code == 0:
            json.loads(result.stdout)
