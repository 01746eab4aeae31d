"""Settings: what is read from where, what is refused by name, and that secrets stay secret."""

from pathlib import Path

import pytest
from redis.connection import parse_url
from sqlalchemy.engine import make_url

from webapp.addresses import MAX_SOCKET_PATH_BYTES
from webapp.settings import PROJECT_ROOT, Settings, SettingsError, load_settings

CANARY = "canary-7f3a9"
KEY = {"SECRET_KEY": "x" * 40}


def loaded(root: Path, **environ: str) -> Settings:
    return load_settings(environ, root)


INVALID = {
    "MILVUS_URI": ("./milvus.db", "http://", "http://u:p@host:19530", "http://host:99999"),
    "MILVUS_HOST": ("http://host", "ho st"),
    "MILVUS_PORT": ("0", "65536", "abc"),
    "MILVUS_COLLECTION": ("1st", "a b"),
    "MILVUS_TIMEOUT": ("0", "nan", "inf"),
    "MILVUS_MAX_PARTITIONS": ("1",),
    "DATABASE_URL": (
        "nonsense",
        "mysql://h/d",
        "postgresql://u:p@h:port/d",
        "postgresql://u:p@ss@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://folder/a.db",
        "sqlite:////a/what?/b.db",
    ),
    "REDIS_URL": (
        "localhost:6379",
        "http://localhost",
        "redis://localhost:port/0",
        "redis://localhost?socket_timeout=soon",
    ),
    "PARTITION_QUEUE": ("a b",),
    "PARTITION_ATTEMPTS": ("0", "many"),
    "PARTITION_BACKOFF": ("-1",),
    "RECONCILE_INTERVAL": ("0",),
    "SECRET_KEY": ("short",),
    "SECRET_KEY_FALLBACKS": ("short", f"{'x' * 16},short", f"{'x' * 16}, {'y' * 15} "),
    "ADMIN_EMAIL": ("nobody",),
    "ADMIN_PASSWORD": ("short",),
    "PORT": ("-1",),
    "HOST": ("myhost", "127.0.0.1:80", "[::]", "0.0.0.0/0", "http://127.0.0.1"),
    "TRUSTED_PROXIES": (
        *("-1", "11", "1,10.0.0.5", "10.0.0.5;10.0.0.6", "10.0.0.5/16", "proxy.internal", ","),
        *("0.0.0.0/0", "10.0.0.5,::/0", "1.5", "\u0661"),
    ),
    "ALLOWED_HOSTS": ("https://panel.example.com", "panel.example.com,*"),
    "LOG_LEVEL": ("LOUD",),
    "LOG_FORMAT": ("xml",),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in INVALID for value in INVALID[name]]
)
def test_setting_is_named_when_it_is_invalid(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"^Settings: {name} ") as caught:
        loaded(tmp_path, **({} if name == "SECRET_KEY" else KEY), **{name: value})
    assert caught.value.__cause__ is None


def test_all_are_named_when_several_are_invalid(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"MILVUS_PORT.*PORT"):
        loaded(tmp_path, MILVUS_PORT="x", PORT="y")


def test_secret_key_is_required_when_the_database_is_shared(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        loaded(tmp_path, DATABASE_URL="postgresql://h/d")


def test_default_holds_when_a_variable_is_empty(tmp_path: Path) -> None:
    settings = loaded(tmp_path, MILVUS_HOST="", MILVUS_PORT="", REDIS_URL="", PORT="")
    assert settings.milvus_is_embedded
    assert settings.redis_is_embedded
    assert settings.port == 8000


def test_environment_wins_when_the_file_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=9001\nMILVUS_COLLECTION=from_file\n")
    settings = loaded(tmp_path, PORT="9002")
    assert (settings.port, settings.milvus_collection) == (9002, "from_file")
    assert settings.source_of("PORT") == "environment"
    assert settings.source_of("MILVUS_COLLECTION") == ".env"
    assert settings.source_of("REDIS_URL") == "embedded"
    assert settings.source_of("LOG_LEVEL") == "default"


def test_var_dir_counts_from_the_root_when_it_is_relative(tmp_path: Path) -> None:
    assert loaded(tmp_path, VAR_DIR="data/x").var_dir == tmp_path / "data" / "x"
    assert loaded(tmp_path, VAR_DIR=str(tmp_path)).var_dir == tmp_path
    assert loaded(tmp_path).var_dir == tmp_path / "var"


def test_socket_is_where_it_is_remembered_when_the_path_is_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * MAX_SOCKET_PATH_BYTES)
    deep.mkdir()
    (deep / "redis.socket").write_text("/tmp/short/redis.sock\n")
    settings = loaded(tmp_path, VAR_DIR=str(deep))
    assert settings.redis_address == "unix:///tmp/short/redis.sock"


def test_embedded_port_is_the_remembered_one(tmp_path: Path) -> None:
    (tmp_path / "milvus.port").write_text("20111")
    assert loaded(tmp_path, VAR_DIR=".").milvus_address == "http://127.0.0.1:20111"


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({"MILVUS_HOST": "h"}, "http://h:19530"),
        ({"MILVUS_PORT": "1"}, "http://127.0.0.1:1"),
        ({"MILVUS_HOST": "::1", "MILVUS_PORT": "2"}, "http://[::1]:2"),
        ({"MILVUS_URI": "https://c.example", "MILVUS_HOST": "h"}, "https://c.example"),
    ],
)
def test_milvus_is_not_embedded_when_any_address_is_set(
    tmp_path: Path, environ: dict[str, str], address: str
) -> None:
    settings = loaded(tmp_path, **environ)
    assert (settings.milvus_is_embedded, settings.milvus_address) == (False, address)


def test_no_secret_is_shown_when_settings_are_printed(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        MILVUS_TOKEN=CANARY,
        SECRET_KEY=CANARY * 3,
        SECRET_KEY_FALLBACKS=f"{CANARY * 2},{CANARY * 4}",
        ADMIN_PASSWORD=CANARY,
        REDIS_URL=f"redis://user:{CANARY}@h/0",
        DATABASE_URL=f"postgresql://u:{CANARY}@h/d",
    )
    for shown in (repr(settings), str(settings), str(settings.in_force())):
        assert CANARY not in shown


REVEALING = {
    "DATABASE_URL": (
        f"nonsense {CANARY}",
        f"postgresql://u:{CANARY}@h:{CANARY}/d",
        f"postgresql://u:p@{CANARY}@h/d",
        f"postgresql://u:p@{CANARY}/w#1@h/d",
        f"postgresql://u:p@h/{CANARY}@h/d",
        f"postgresql://u:p@h/{CANARY}#1",
        f"postgresql://u:p@h?{CANARY}@h/d",
        f"postgresql://u:p@h?a#{CANARY}",
        f"postgresql://u/{CANARY}:p@h/d",
    ),
    "REDIS_URL": (f"redis://:{CANARY}/x@h", f"http://:{CANARY}@h"),
    "MILVUS_URI": (f"https://root:{CANARY}@h", f"https://root:{CANARY}/x@h"),
    "MILVUS_PORT": (CANARY,),
    "SECRET_KEY_FALLBACKS": (CANARY,),
    "TRUSTED_PROXIES": (CANARY,),
    "HOST": (CANARY,),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in REVEALING for value in REVEALING[name]]
)
def test_value_is_not_repeated_when_it_is_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, **KEY, **{name: value})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("password", ["p@zz/w#1", "p@zz", "p@z?z", "p@z#z"])
def test_message_says_how_a_database_password_is_written_when_it_is_ambiguous(
    tmp_path: Path, password: str
) -> None:
    with pytest.raises(SettingsError, match=r"DATABASE_URL .*%40.*%23") as caught:
        loaded(tmp_path, **KEY, DATABASE_URL=f"postgresql://paratia:{password}@host/db")
    assert "z" not in str(caught.value)


def test_parameter_may_hold_an_at_sign_when_it_is_no_password(tmp_path: Path) -> None:
    address = "postgresql://u:p@h/d?application_name=me@here"
    assert loaded(tmp_path, **KEY, DATABASE_URL=address).database_url


def test_folder_is_refused_when_its_path_is_too_long_for_sqlite(tmp_path: Path) -> None:
    longest = str(tmp_path) + "/x" * 300
    longest = longest[: 504 - len("/paratia.db")].rstrip("/")
    assert loaded(tmp_path, VAR_DIR=longest).var_dir == Path(longest)
    with pytest.raises(SettingsError, match="VAR_DIR has a path that is too long for SQLite"):
        loaded(tmp_path, VAR_DIR=longest + "/yy")
    with pytest.raises(SettingsError, match="DATABASE_URL has a path that is too long for SQLite"):
        loaded(tmp_path, **KEY, DATABASE_URL=f"sqlite:///{longest}/yy/paratia.db")
    assert loaded(tmp_path, **KEY, VAR_DIR=longest + "/yy", DATABASE_URL="postgresql://u:p@h/d")


ODD = ["a b", "#1", "%2F", "?x=1", ";", "'\"", "%(x)s", "$HOME", "Ünï+çødé 华", "a@b:c", "-n"]


@pytest.mark.parametrize("name", ODD)
def test_both_embedded_addresses_lead_into_the_folder_whatever_its_name(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    settings = loaded(tmp_path, VAR_DIR=name)
    assert settings.var_dir == folder
    assert make_url(settings.database_address).database == str(folder / "paratia.db")
    if " " not in name:
        assert parse_url(settings.redis_address)["path"] == str(folder / "redis.sock")


@pytest.mark.parametrize("name", ["a\nb", "tab\t", "\x85", "\u2028", "\udcff"])
def test_folder_is_refused_when_its_name_breaks_lines(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="VAR_DIR"):
        loaded(tmp_path, VAR_DIR=name)
    with pytest.raises(SettingsError, match="control character"):
        loaded(tmp_path / name)


@pytest.mark.parametrize(
    ("address", "parameter"),
    [
        ("postgresql://u:p@h/d?connect_timout=3", "connect_timout"),
        ("postgresql://u:p@h/d?sslmode=verified", "sslmode"),
        ("postgresql://u:p@h/d?keepalives_idle=often", "keepalives_idle"),
        ("postgresql://u:p@h/d?options=-ca%3D1&options=-cb%3D2", "options"),
        ("postgresql://u:p@h/d?prepare_threshold=0", "prepare_threshold"),
        ("postgresql:///?service=no_such_service", "service"),
        ("postgresql://u:p@/d?host=a:1&host=b:2&port=3", "host"),
    ],
)
def test_parameter_is_named_when_it_would_go_unheeded(
    tmp_path: Path, address: str, parameter: str
) -> None:
    says = f"^Settings: DATABASE_URL has a parameter that cannot be used: {parameter}$"
    with pytest.raises(SettingsError, match=says):
        loaded(tmp_path, **KEY, DATABASE_URL=address.replace(":p@", f":{CANARY}@"))


def test_variable_of_libpq_is_refused_when_only_some_processes_would_see_it(
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").write_text("PGOPTIONS=-csearch_path=staging\n")
    with pytest.raises(SettingsError, match=r"PGOPTIONS does not work from \.env"):
        loaded(tmp_path)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("MILVUS_COLECTION", "MILVUS_COLLECTION"), ("DATABASE_URI", "DATABASE_URL"), ("port", "PORT")],
)
def test_misspelt_name_in_the_file_is_refused_with_the_right_one(
    tmp_path: Path, written: str, meant: str
) -> None:
    (tmp_path / ".env").write_text(f"{written}={CANARY}\n")
    with pytest.raises(SettingsError, match=rf"{written} in \.env is no setting.* {meant}") as told:
        loaded(tmp_path)
    assert CANARY not in str(told.value)
    values = {"MILVUS_COLLECTION": "c", "DATABASE_URL": "postgresql://h/d", "PORT": "9000"}
    assert loaded(tmp_path, **KEY, **{meant: values[meant]})


def test_names_of_other_tools_in_the_file_are_left_alone(tmp_path: Path) -> None:
    names = ["POSTGRES_PORT", "REDIS_HOST", "DB_HOST", "MILVUS_DATABASE", "COMPOSE_PROJECT_NAME"]
    names += ["FLASK_APP", "DATABASE_URL_TEST", "SQLALCHEMY_DATABASE_URI"]
    (tmp_path / ".env").write_text("".join(f"{name}=x\n" for name in names) + "PORTS=\n")
    assert loaded(tmp_path, MILVUS_COLECTION="of the environment")


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:////srv/a b/c.db", "/srv/a b/c.db"),
        ("sqlite:////srv/%231%3F/c.db", "/srv/#1?/c.db"),
        ("sqlite:///data/c.db", str(PROJECT_ROOT / "data/c.db")),
    ],
)
def test_sqlite_file_is_the_one_that_is_named(tmp_path: Path, url: str, file: str) -> None:
    settings = loaded(tmp_path, **KEY, DATABASE_URL=url)
    assert make_url(settings.database_address).database == file


@pytest.mark.parametrize("password", ["a/b", "50%off", "a?b#c", "a:b"])
def test_database_password_is_understood_and_not_shown_when_it_is_odd(
    tmp_path: Path, password: str
) -> None:
    settings = loaded(tmp_path, **KEY, DATABASE_URL=f"postgresql://u:{password}@h/d")
    assert make_url(settings.database_address).password == password
    assert settings.in_force()["DATABASE_URL"] == "postgresql+psycopg://u:********@h/d"


def test_proxies_are_a_number_or_addresses(tmp_path: Path) -> None:
    assert loaded(tmp_path, TRUSTED_PROXIES="2").in_force()["TRUSTED_PROXIES"] == 2
    settings = loaded(tmp_path, TRUSTED_PROXIES=" 10.0.0.5, 10.1.0.0/16,fd00::/8,")
    assert settings.in_force()["TRUSTED_PROXIES"] == "10.0.0.5/32,10.1.0.0/16,fd00::/8"


@pytest.mark.parametrize(
    ("host", "bind", "origin"),
    [
        ("", "127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("0.0.0.0", "0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("10.0.0.5", "10.0.0.5:8000", "http://10.0.0.5:8000"),
        ("::", "[::]:8000", "http://[::1]:8000"),
    ],
)
def test_the_panel_is_bound_to_an_address_and_reached_at_one(
    tmp_path: Path, host: str, bind: str, origin: str
) -> None:
    settings = loaded(tmp_path, HOST=host)
    assert (settings.bind, settings.panel_address) == (bind, origin)


def test_signing_key_is_made_once_when_none_is_set(tmp_path: Path) -> None:
    first = loaded(tmp_path).signing_key
    assert loaded(tmp_path).signing_key == first
    assert (tmp_path / "var" / "secret_key").stat().st_mode & 0o077 == 0


def test_postgres_driver_is_chosen_when_the_address_names_none(tmp_path: Path) -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        settings = loaded(tmp_path, **KEY, DATABASE_URL=f"{scheme}://u:p@h/d")
        assert settings.database_address == "postgresql+psycopg://u:p@h/d"


@pytest.mark.parametrize(
    ("written", "seconds"), [("0", 0), ("90", 90), ("1.5h", 5400), ("15m", 900), ("7d", 604_800)]
)
def test_grace_is_understood_with_and_without_a_unit(
    tmp_path: Path, written: str, seconds: float
) -> None:
    assert loaded(tmp_path, PARTITION_GRACE=written).partition_grace == seconds


@pytest.mark.parametrize("written", ["-1", "7 days", "1e9", "nan", "d", "11y", "999999999d"])
def test_grace_is_refused_when_it_is_no_length_of_time(tmp_path: Path, written: str) -> None:
    with pytest.raises(SettingsError, match="PARTITION_GRACE"):
        loaded(tmp_path, PARTITION_GRACE=written)


def test_older_keys_are_masked_as_the_present_one_is(tmp_path: Path) -> None:
    first, second = "the first key of old", "the second key of old"
    settings = loaded(tmp_path, SECRET_KEY_FALLBACKS=f" {first} , {second},")
    assert settings.secret_key_fallbacks == (first, second)
    assert settings.mask(f"{first} and {second}") == "*** and ***"
    assert settings.in_force()["SECRET_KEY_FALLBACKS"] == "********"
    assert loaded(tmp_path).in_force()["SECRET_KEY_FALLBACKS"] is None


def test_a_key_is_masked_when_it_was_made_after_the_first_line(tmp_path: Path) -> None:
    settings = loaded(tmp_path)
    assert settings.mask("a line") == "a line"
    assert settings.mask(f"key {settings.signing_key}") == "key ***"
