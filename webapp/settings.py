"""The product's settings: one frozen, typed object, and the only reader of the environment."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from create_milvus_partition import mask
from webapp.addresses import (
    is_usable_socket,
    secrets_in,
    unix_address,
    usable_milvus_uri,
    usable_redis_url,
    without_password,
)
from webapp.env_file import EnvFileError, read_env_file
from webapp.var_dir import made_once, remembered

PROJECT_ROOT = Path(__file__).resolve().parent.parent
VERSION: str = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]["version"]

# Control characters, Unicode's own line breaks, and bytes that are not UTF-8.
BREAKS_LINES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# SQLite's own limit is 512 bytes (SQLITE_MAX_PATHNAME), with the `-journal` that it appends.
MAX_SQLITE_PATH_BYTES = 504

# Similarity of names (difflib): a wrong letter or two pass it, a further word does not.
NEARLY = 0.85

SECRET_NAMES = frozenset({"MILVUS_TOKEN", "SECRET_KEY", "ADMIN_PASSWORD"})


# A Host header: a name or an address, and an optional port. Labels have 1 to 63 characters:
# Werkzeug refuses others at a point where no error page can be made.
HOST_PATTERN = re.compile(
    r"(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|(?=.{1,253}(?::|\Z))[\w-]{1,63}(?:\.[\w-]{1,63})*\.?)"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)


class SettingsError(Exception):
    """A setting is unusable. The message names it and says what is accepted."""


def _database_url(value: str) -> str:
    if value.startswith("postgres://"):
        value = value.replace("postgres://", "postgresql://", 1)
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError(
            "is no database address such as postgresql://user:password@host/name"
        ) from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in {"postgresql+psycopg", "sqlite"}:
        raise ValueError("must start with postgresql:// or sqlite:///")
    if url.drivername == "sqlite":
        if "?" in value:
            raise ValueError("must end before any '?'; write %3F for one in a path")
        url = _sqlite_file(url)
    elif _is_ambiguous(value, url):
        raise ValueError(
            "has a user, a password or a path that can be read in two ways; "
            "write '@' as %40, '/' as %2F, '?' as %3F, '#' as %23 and '%' as %25 in them"
        )
    else:
        _require_usable_parameters(url)
    return url.render_as_string(hide_password=False)


def _is_ambiguous(value: str, url: URL) -> bool:
    """Whether a part of the credentials may have been read as host, database or parameters."""
    rest = value.partition("://")[2]
    if url.username is not None:
        rest = rest.partition("@")[2]
    place, _mark, query = rest.partition("?")
    names = [parameter.partition("=")[0] for parameter in query.split("&")]
    return "#" in rest or any("@" in part for part in (place, *names))


def _require_usable_parameters(url: URL) -> None:
    """Refuse a parameter behind the `?` that libpq would refuse later, or ignore."""
    from webapp.db.postgres import unusable

    try:
        parameter = unusable(url.get_dialect()().create_connect_args(url)[1])
    except ArgumentError:
        parameter = "host"
    if parameter:
        raise ValueError(f"has a parameter that cannot be used: {parameter}")


def _sqlite_file(url: URL) -> URL:
    """The address of a file; a relative path counts from the project's root."""
    if url.host or not url.database or url.database == ":memory:":
        raise ValueError("must name a file, as in sqlite:////srv/paratia/paratia.db")
    return url.set(database=str(PROJECT_ROOT / url.database))


def _hosts(value: object) -> object:
    if not isinstance(value, str):
        return value
    hosts = tuple(filter(None, (host.strip() for host in value.split(","))))
    if not all(HOST_PATTERN.fullmatch(host.removeprefix(".")) for host in hosts):
        raise ValueError(
            "must be host names, parted by commas, each maybe with a port, or with a dot in "
            "front for all names below it: panel.example.com,.example.org,127.0.0.1:8000"
        )
    return hosts


SECONDS_IN = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _duration(value: object) -> object:
    """Seconds, or a number with its unit: 90, 90s, 15m, 12h, 7d."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)([smhd]?)", value.strip())
    if match is None:
        raise ValueError("must be a number of seconds, or one with s, m, h or d behind it: 7d")
    return float(match[1]) * SECONDS_IN[match[2] or "s"]


def _matches(pattern: str, what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(what)
        return value

    return AfterValidator(check)


COLLECTION_RULE = _matches(
    r"[A-Za-z_][A-Za-z0-9_]{0,254}",
    "must be letters, digits and underscores, not starting with a digit, at most 255",
)
QUEUE_RULE = _matches(
    r"[A-Za-z0-9_.-]{1,100}", "must be letters, digits, '.', '_' and '-', at most 100"
)
EMAIL_RULE = _matches(r"[^@\s]+@[^@\s]+", "must be an e-mail address")
HOST_RULE = _matches(r"[A-Za-z0-9._:-]+", "must be a host name or an IP address, without a scheme")
SECRET_KEY_RULE = _matches(r"(?s).{16,}", "must have at least 16 characters")
PASSWORD_RULE = _matches(r"(?s).{8,}", "must have at least 8 characters")
UPPER = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65_535)]
SessionTime = Annotated[float, BeforeValidator(_duration), Field(ge=60, le=31_536_000)]


class Settings(BaseModel):
    """Every setting with its default; field names are the variables' names in lower case.

    Where a service's address is unset, the embedded one in `var_dir` is used: see the
    properties `redis_address`, `milvus_address` and `database_address`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    milvus_uri: Annotated[str, AfterValidator(usable_milvus_uri)] | None = None
    milvus_token: str | None = None
    milvus_host: Annotated[str, HOST_RULE] | None = None
    milvus_port: Port | None = None
    milvus_collection: Annotated[str, COLLECTION_RULE] = "kb_chunks_v1"
    milvus_timeout: Annotated[Seconds, Field(le=600)] = 10.0
    milvus_max_partitions: Annotated[int, Field(ge=2, le=1_000_000)] = 1024
    database_url: Annotated[str, AfterValidator(_database_url)] | None = None
    redis_url: Annotated[str, AfterValidator(usable_redis_url)] | None = None
    partition_queue: Annotated[str, QUEUE_RULE] = "default"
    partition_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    partition_backoff: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 30.0
    partition_chunk_size: Annotated[int, Field(ge=1, le=1000)] = 100
    partition_chunk_timeout: Seconds = 300.0
    partition_grace: Annotated[float, BeforeValidator(_duration), Field(ge=0, le=315_360_000)] = (
        7 * 86_400.0
    )
    reconcile_interval: Seconds = 15.0
    secret_key: Annotated[str, SECRET_KEY_RULE] | None = None
    admin_email: Annotated[str, EMAIL_RULE] = "admin@example.com"
    admin_password: Annotated[str, PASSWORD_RULE] | None = None
    session_idle: SessionTime = 12 * 3600.0
    session_lifetime: SessionTime = 7 * 86_400.0
    port: Port = 8000
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(_hosts)] = ()
    var_dir: Path = Path("var")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], UPPER] = "INFO"
    log_format: Literal["json", "console"] = "json"

    sources: Mapping[str, str] = Field(default_factory=dict, repr=False)

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Names and values for `repr`, without secrets: it ends up in logs and traces."""
        yield from self.in_force().items()

    @model_validator(mode="after")
    def _secret_key_is_there(self) -> Self:
        if self.database_url and not self.secret_key:
            raise ValueError(
                "SECRET_KEY is required while DATABASE_URL is set: every process must share one. "
                "Make it with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        return self

    @model_validator(mode="after")
    def _sqlite_file_can_be_opened(self) -> Self:
        url = make_url(self.database_address)
        is_sqlite = url.get_backend_name() == "sqlite"
        if is_sqlite and len(os.fsencode(url.database or "")) > MAX_SQLITE_PATH_BYTES:
            raise ValueError(
                f"{'DATABASE_URL' if self.database_url else 'VAR_DIR'} has a path that is too long "
                f"for SQLite: that of its file may have {MAX_SQLITE_PATH_BYTES} bytes at most"
            )
        return self

    @property
    def milvus_is_embedded(self) -> bool:
        """True while URI, host and port are unset: `make run` then starts Milvus Lite."""
        return self.milvus_uri is None and self.milvus_host is None and self.milvus_port is None

    @property
    def redis_is_embedded(self) -> bool:
        """True while `REDIS_URL` is unset: `make run` then starts a Redis."""
        return self.redis_url is None

    @property
    def milvus_address(self) -> str:
        """The Milvus address in use, without a credential."""
        if self.milvus_uri:
            return self.milvus_uri
        port = self.milvus_port or 19530
        if self.milvus_is_embedded:
            port = int(remembered(self.var_dir / "milvus.port") or port)
        host = self.milvus_host or "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis listens: in `var_dir`, or in a short remembered folder."""
        socket = self.var_dir / "redis.sock"
        if is_usable_socket(socket):
            return socket
        return Path(remembered(self.var_dir / "redis.socket") or socket)

    @property
    def redis_address(self) -> str:
        """The Redis address in use; it may hold a password."""
        return self.redis_url or unix_address(self.redis_socket)

    @property
    def database_address(self) -> str:
        """The database address in use; it may hold a password."""
        if self.database_url:
            return self.database_url
        # Built by SQLAlchemy, which quotes characters that mean something in an address.
        return str(URL.create("sqlite", database=str(self.var_dir / "paratia.db")))

    @property
    def backfill_queue(self) -> str:
        """The queue of the backfill's chunks; workers take it after `partition_queue`."""
        return f"{self.partition_queue}-backfill"

    @property
    def observation_lasts(self) -> timedelta:
        """After this time, which is four missed sweeps, an observation says nothing about now."""
        return timedelta(seconds=4 * self.reconcile_interval + self.milvus_timeout)

    @property
    def signing_key(self) -> str:
        """The key that signs sessions: `SECRET_KEY`, else made once and kept in `var_dir`.

        Raises:
            SettingsError: it has to be made and `var_dir` cannot be written.
        """
        if self.secret_key:
            return self.secret_key
        try:
            return made_once(self.var_dir / "secret_key")
        except OSError as error:
            raise SettingsError(
                f"VAR_DIR {self.var_dir} cannot be used ({error.strerror}); "
                "choose a folder that can be written"
            ) from error

    def mask(self, text: str) -> str:
        """The text with every secret of these settings masked, also in encoded forms."""
        return mask(text, self._secrets())

    def _secrets(self) -> tuple[str, ...]:
        if self.secret_key:
            return self._stated_secrets
        try:
            return (*self._stated_secrets, _kept_key(self.var_dir / "secret_key"))
        except OSError:
            return self._stated_secrets

    @cached_property
    def _stated_secrets(self) -> tuple[str, ...]:
        own = (self.milvus_token, self.secret_key, self.admin_password)
        urls = (self.database_url, self.redis_url)
        return (*filter(None, own), *(each for url in urls if url for each in secrets_in(url)))

    def in_force(self) -> dict[str, Any]:
        """Setting name → value in use, defaults and embedded addresses included, secrets masked."""
        values: dict[str, Any] = {
            name.upper(): value for name, value in self.model_dump(exclude={"sources"}).items()
        }
        values["MILVUS_URI"] = self.milvus_address
        if not self.milvus_uri:
            values["MILVUS_HOST"] = urlsplit(self.milvus_address).hostname
            values["MILVUS_PORT"] = urlsplit(self.milvus_address).port
        values["REDIS_URL"] = without_password(self.redis_address)
        values["DATABASE_URL"] = without_password(self.database_address)
        values["VAR_DIR"] = str(self.var_dir)
        values["ALLOWED_HOSTS"] = ",".join(self.allowed_hosts) or None
        for name in SECRET_NAMES:
            values[name] = "********" if values[name] else None
        if self.database_url is None:
            values["SECRET_KEY"] = "********"
        return values

    def source_of(self, name: str) -> str:
        """Where a setting comes from: `environment`, `.env`, `embedded` or `default`."""
        if name in self.sources:
            return self.sources[name]
        embedded = {
            "MILVUS_URI": self.milvus_is_embedded,
            "REDIS_URL": self.redis_is_embedded,
            "DATABASE_URL": self.database_url is None,
            "SECRET_KEY": self.secret_key is None,
        }
        return "embedded" if embedded.get(name) else "default"


@cache
def _kept_key(file: Path) -> str:
    """The key in the file, read once: each field of each log line asks for it.

    Raises:
        OSError: none was made yet; the next call looks again.
    """
    return file.read_text().strip()


def load_settings(environ: Mapping[str, str] | None = None, root: Path = PROJECT_ROOT) -> Settings:
    """The settings of this process: the environment, then `.env` in `root`, then defaults.

    An empty variable counts as unset. A relative `VAR_DIR` counts from `root`.

    Raises:
        SettingsError: names every unusable setting and says what is accepted.
    """
    try:
        from_file = read_env_file(root / ".env")
    except EnvFileError as error:
        raise SettingsError(str(error)) from error
    _refuse_libpqs_own(from_file)
    values, sources = _collect(os.environ if environ is None else environ, from_file)
    _refuse_misspelt(from_file, sources)
    values["var_dir"] = (root / values.get("var_dir", "var")).resolve()
    for folder in (root, values["var_dir"]):
        _require_lines_stay_whole(folder)
    try:
        return Settings(**values, sources=sources)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def _require_lines_stay_whole(folder: Path) -> None:
    """Refuse line breaks in a path: other programs read it from their line-based files."""
    if BREAKS_LINES.search(str(folder)):
        raise SettingsError(
            f"The folder {str(folder)!r} has a control character in its path, or one that is not "
            "UTF-8; choose another (VAR_DIR names the folder of what is kept)"
        )


def _collect(
    environ: Mapping[str, str], from_file: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for field in Settings.model_fields:
        name = field.upper()
        if field == "sources":
            continue
        if environ.get(name):
            # A shell that has exported .env repeats its values.
            same = environ[name] == from_file.get(name)
            values[field], sources[name] = environ[name], ".env" if same else "environment"
        elif from_file.get(name):
            values[field], sources[name] = from_file[name], ".env"
    return values, sources


def _refuse_libpqs_own(from_file: Mapping[str, str]) -> None:
    """Refuse libpq's variables in `.env`: libpq reads the environment alone."""
    stray = next((name for name, value in from_file.items() if name[:2] == "PG" and value), None)
    if stray:
        raise SettingsError(
            f"Settings: {stray} does not work from .env; set it in the environment of every "
            "process, or as a parameter of DATABASE_URL"
        )


def _refuse_misspelt(from_file: Mapping[str, str], sources: Mapping[str, str]) -> None:
    """Refuse a name in `.env` that is nearly an unset setting's; others may be other tools'."""
    names = [field.upper() for field in Settings.model_fields if field != "sources"]
    for name, value in from_file.items():
        if name in names or not value:
            continue
        similar = next(iter(get_close_matches(name.upper(), names, 1, NEARLY)), None)
        if similar and similar not in sources:
            raise SettingsError(f"Settings: {name} in .env is no setting; {similar} may be meant")


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        message = problem["msg"].removeprefix("Value error, ")
        name = str(problem["loc"][0]).upper() + " " if problem["loc"] else ""
        lines.append(f"{name}{message[:1].lower() + message[1:] if name else message}")
    return "Settings: " + "; ".join(lines)
