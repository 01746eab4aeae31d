"""What stands behind the `?` of DATABASE_URL is in force, for everything that opens PostgreSQL."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine, create_engine, text

from tests.access import add_token, close, database_of, migrated_app, settings_in
from tests.factories import open_engine
from tests.integration.api.caller import Caller
from webapp import create_app
from webapp.settings import load_settings

# Whatever a migration can make: tables, indexes, sequences, functions, types, triggers.
OBJECTS = text("""
    SELECT relnamespace::regnamespace::text AS schema, relname AS name FROM pg_class
    UNION ALL SELECT pronamespace::regnamespace::text, proname FROM pg_proc
    UNION ALL SELECT typnamespace::regnamespace::text, typname FROM pg_type
    UNION ALL SELECT relnamespace::regnamespace::text, tgname
        FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE NOT tgisinternal
""")
SCHEMAS = ("staging", "production")


def behind(url: str, query: str) -> str:
    """The address with more behind its `?`, as the settings read it."""
    joined = f"{url}{'&' if '?' in url else '?'}{query}"
    settings = load_settings({"DATABASE_URL": joined, "SECRET_KEY": "x" * 40}, Path("/nowhere"))
    return settings.database_address


def ask(engine: Engine, question: str) -> str:
    with engine.connect() as connection:
        answer = connection.scalar(text(question))
    engine.dispose()
    return str(answer)


@pytest.fixture(scope="module")
def shared(fresh_database: Callable[[], str]) -> str:
    """A database with a schema for each of two installs."""
    url = fresh_database()
    administrator = create_engine(url)
    with administrator.begin() as connection:
        for schema in SCHEMAS:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    administrator.dispose()
    return url


@pytest.fixture(scope="module")
def installs(
    shared: str, new_directory: Callable[[str], Path], redis_url: str
) -> Iterator[list[APIFlask]]:
    """Two installs that differ in the search_path alone."""
    apps = [
        migrated_app(
            settings_in(
                new_directory(schema),
                database_url=behind(shared, f"options=-csearch_path%3D{schema}"),
                secret_key="sixteen or more of it",
                redis_url=redis_url,
                partition_queue=f"{schema}-{secrets.token_hex(4)}",
            )
        )
        for schema in SCHEMAS
    ]
    yield apps
    for app in apps:
        close(app)


def test_installs_share_nothing_when_their_schemas_differ(installs: list[APIFlask]) -> None:
    staging, production = installs
    one, other = Caller(staging, token_name="same"), Caller(production, token_name="same")
    number = one.tenant("Acme")["id"]
    assert one.get("/tenants", q="cme").json["items"][0]["id"] == number
    assert other.get("/tenants").json["items"] == []
    assert other.get(f"/tenants/{number}").status_code == 404
    stranger = {"Authorization": f"Bearer {add_token(staging)}"}
    assert production.test_client().get("/api/tenants", headers=stranger).status_code == 401
    assert production.test_client().get("/readyz").json["database"] == "ok"


def test_all_that_migrations_make_lies_in_the_schema_asked_for(
    installs: list[APIFlask], shared: str
) -> None:
    with database_of(installs[0]).reading() as session:
        made = {(row.schema, row.name) for row in session.execute(OBJECTS)}
    in_each = [{name for schema, name in made if schema == each} for each in SCHEMAS]
    assert {"tenant", "alembic_version", "text_runs"} <= in_each[0]
    assert in_each[0] == in_each[1]
    assert {name for schema, name in made if schema == "public"} == set()


def test_migration_is_refused_when_another_install_is_visible(
    installs: list[APIFlask], shared: str, tmp_path: Path
) -> None:
    with database_of(installs[0]).transaction() as session:
        session.execute(text("CREATE SCHEMA fresh"))
    both = behind(shared, "options=-csearch_path%3Dfresh,staging")
    app = create_app(settings_in(tmp_path, database_url=both, secret_key="sixteen or more of it"))
    result = app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert result.exit_code == 1
    assert "an install in the schema staging is visible" in result.output
    close(app)


def test_given_options_are_kept_beside_our_own_limit(shared: str) -> None:
    url = behind(shared, "options=-csearch_path%3Dstaging%20-c%20lock_timeout%3D7s")
    expected = {"search_path": "staging", "lock_timeout": "7s", "statement_timeout": "30s"}
    assert {name: ask(open_engine(url), f"SHOW {name}") for name in expected} == expected


@pytest.mark.parametrize("given", ["-cstatement_timeout%3D4s", "--statement-timeout%3D4s"])
def test_given_limit_wins_when_it_is_one_of_ours(shared: str, given: str) -> None:
    assert ask(open_engine(behind(shared, f"options={given}")), "SHOW statement_timeout") == "4s"


def test_libpqs_own_variables_and_service_file_are_in_force(
    shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "services").write_text("[night]\noptions=-csearch_path=staging\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    assert ask(open_engine(behind(shared, "service=night")), "SHOW search_path") == "staging"
    monkeypatch.setenv("PGOPTIONS", "-c search_path=production -c statement_timeout=3s")
    monkeypatch.setenv("PGAPPNAME", "night shift")
    engine = open_engine(behind(shared, "connect_timeout=3"))
    assert ask(engine, "SHOW search_path") == "production"
    assert ask(engine, "SHOW statement_timeout") == "3s"
    assert ask(engine, "SHOW application_name") == "night shift"


def test_how_a_connection_is_kept_is_what_the_address_says(shared: str) -> None:
    engine = open_engine(
        behind(shared, "keepalives_idle=77&application_name=day&tcp_user_timeout=9")
    )
    with engine.connect() as connection:
        info = connection.connection.dbapi_connection.info.get_parameters()
    engine.dispose()
    assert (info["keepalives_idle"], info["keepalives_count"]) == ("77", "3")
    assert (info["application_name"], info["tcp_user_timeout"]) == ("day", "9")


def test_next_host_is_asked_when_the_first_is_away(shared: str) -> None:
    host = create_engine(shared).url.query["host"]
    url = shared.replace(f"host={host}", f"host=/nowhere,{host}")
    assert url != shared
    assert ask(open_engine(behind(url, "target_session_attrs=read-write")), "SELECT 1") == "1"


def test_limit_holds_when_many_rows_are_the_first_statement(shared: str) -> None:
    engine = open_engine(behind(shared, "options=-csearch_path%3Dproduction"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE many (n int)"))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO many VALUES (:n)"), [{"n": n} for n in range(3)])
        assert connection.scalar(text("SELECT sum(n) FROM many")) == 3
        connection.execute(text("DROP TABLE many"))
    engine.dispose()
