"""The settings: one frozen object with a typed field for each variable."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache, cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.engine import URL, make_url

from create_milvus_partition import TLS_ARGUMENTS, mask, unusable_tls
from webapp.addresses import is_usable_socket, secrets_in, unix_address, without_password
from webapp.settings import rules
from webapp.var_dir import made_once, remembered

# SQLite's own limit is 512 bytes (SQLITE_MAX_PATHNAME), with the `-journal` that it appends.
MAX_SQLITE_PATH_BYTES = 504

SECRET_NAMES = frozenset({"MILVUS_TOKEN", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "ADMIN_PASSWORD"})
# The settings that all processes of an installation must share.
SHARED_NAMES = (
    *("MILVUS_URI", "MILVUS_TOKEN", "MILVUS_COLLECTION", "MILVUS_TIMEOUT", "MILVUS_MAX_PARTITIONS"),
    *("REDIS_URL", "PARTITION_QUEUE", "PARTITION_ATTEMPTS", "PARTITION_BACKOFF"),
    *("PARTITION_GRACE", "RECONCILE_INTERVAL", "SECRET_KEY"),
)
# So short that a guess at a secret cannot be confirmed: one guess in 16 million is right by chance.
DIGEST_LENGTH = 6


class SettingsError(Exception):
    """A setting is unusable. The message names it and says what is accepted."""


class Settings(BaseModel):
    """Every setting with its default; field names are the variables' names in lower case.

    Where a service's address is unset, the embedded one in `var_dir` is used: see the
    properties `redis_address`, `milvus_address` and `database_address`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    milvus_uri: rules.MilvusUri | None = None
    milvus_token: str | None = None
    milvus_host: rules.HostName | None = None
    milvus_port: rules.Port | None = None
    milvus_ca_cert: Path | None = None
    milvus_client_cert: Path | None = None
    milvus_client_key: Path | None = None
    milvus_server_name: rules.HostName | None = None
    milvus_collection: rules.CollectionName = "kb_chunks_v1"
    milvus_timeout: Annotated[rules.Seconds, Field(le=600)] = 10.0
    milvus_max_partitions: Annotated[int, Field(ge=2, le=1_000_000)] = 1024
    database_url: rules.DatabaseUrl | None = None
    redis_url: rules.RedisUrl | None = None
    partition_queue: rules.QueueName = "default"
    partition_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    partition_backoff: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 30.0
    partition_chunk_size: Annotated[int, Field(ge=1, le=1000)] = 100
    partition_chunk_timeout: rules.Seconds = 300.0
    partition_grace: Annotated[rules.Duration, Field(ge=0, le=315_360_000)] = 7 * 86_400.0
    reconcile_interval: rules.Seconds = 15.0
    secret_key: rules.SecretKey | None = None
    secret_key_fallbacks: rules.SecretKeys = ()
    admin_email: rules.Email = "admin@example.com"
    admin_password: rules.Password | None = None
    session_idle: rules.SessionTime = 12 * 3600.0
    session_lifetime: rules.SessionTime = 7 * 86_400.0
    host: rules.IpAddress = "127.0.0.1"
    port: rules.Port = 8000
    trusted_proxies: rules.Proxies = 0
    allowed_hosts: rules.HostNames = ()
    var_dir: Path = Path("var")
    log_level: rules.LogLevel = "INFO"
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

    @model_validator(mode="after")
    def _tls_can_be_used(self) -> Self:
        if problem := unusable_tls(self.milvus_tls, self.milvus_address):
            raise ValueError(" ".join(problem))
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
        return f"http://{_bracketed(self.milvus_host or '127.0.0.1')}:{port}"

    @property
    def milvus_tls(self) -> Mapping[str, str]:
        """The settings for TLS to Milvus that are set: name of the variable → value."""
        values = {name: getattr(self, name.lower()) for name in TLS_ARGUMENTS}
        return {name: str(value) for name, value in values.items() if value}

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
    def bind(self) -> str:
        """Where panel and API listen, as gunicorn writes it."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def panel_address(self) -> str:
        """The address of panel and API for this machine."""
        every = ip_address(self.host).is_unspecified
        loopback = "::1" if ":" in self.host else "127.0.0.1"
        return f"http://{_bracketed(loopback if every else self.host)}:{self.port}"

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
        own = (self.milvus_token, self.secret_key, *self.secret_key_fallbacks, self.admin_password)
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
        values |= self.milvus_tls
        values["ALLOWED_HOSTS"] = ",".join(self.allowed_hosts) or None
        if not isinstance(self.trusted_proxies, int):
            values["TRUSTED_PROXIES"] = ",".join(map(str, self.trusted_proxies))
        for name in SECRET_NAMES:
            values[name] = "********" if values[name] else None
        if self.database_url is None:
            values["SECRET_KEY"] = "********"
        return values

    def digests(self) -> dict[str, str]:
        """Setting name -> digest of its value, for those that all processes must share."""
        values = self.in_force() | {
            "MILVUS_TOKEN": self.milvus_token,
            "REDIS_URL": self.redis_address,
            "SECRET_KEY": self.signing_key,
        }
        return {name: _digest(f"{name}={values[name]}") for name in SHARED_NAMES}

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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def _bracketed(host: str) -> str:
    """The host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


@cache
def _kept_key(file: Path) -> str:
    """The key in the file, read once: each field of each log line asks for it.

    Raises:
        OSError: none was made yet; the next call looks again.
    """
    return file.read_text().strip()
