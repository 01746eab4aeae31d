"""What a value of a setting may be; each error says what is accepted."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from webapp.addresses import usable_milvus_uri, usable_redis_url
from webapp.settings.project import PROJECT_ROOT

MIN_KEY_LENGTH = 16

# A Host header: a name or an address, and an optional port. Labels have 1 to 63 characters:
# Werkzeug refuses others at a point where no error page can be made.
HOST_PATTERN = re.compile(
    r"(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|(?=.{1,253}(?::|\Z))[\w-]{1,63}(?:\.[\w-]{1,63})*\.?)"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)


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


def _keys(value: object) -> object:
    if not isinstance(value, str):
        return value
    keys = tuple(filter(None, (key.strip() for key in value.split(","))))
    if any(len(key) < MIN_KEY_LENGTH for key in keys):
        raise ValueError(
            f"must be older values of SECRET_KEY, parted by commas, each with at least "
            f"{MIN_KEY_LENGTH} characters; a key with a comma cannot be one"
        )
    return keys


def _ip_address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError(
            "must be an IP address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them"
        ) from None


MAX_PROXIES = 10
Networks = tuple[IPv4Network | IPv6Network, ...]


def _proxies(value: object) -> object:
    """A number of proxies, or the addresses and networks of all of them."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"[0-9]{1,2}", value) and int(value) <= MAX_PROXIES:
        return int(value)
    try:
        networks = tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        networks = ()
    if not networks:
        raise ValueError(
            f"must be the number of your proxies, from 0 to {MAX_PROXIES}, or their addresses and "
            "networks, parted by commas: 10.0.0.5,10.1.0.0/16"
        )
    if not all(network.prefixlen for network in networks):
        raise ValueError("must not name all addresses: visitors could write what proxies write")
    return networks


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


MilvusUri = Annotated[str, AfterValidator(usable_milvus_uri)]
RedisUrl = Annotated[str, AfterValidator(usable_redis_url)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
CollectionName = Annotated[
    str,
    _matches(
        r"[A-Za-z_][A-Za-z0-9_]{0,254}",
        "must be letters, digits and underscores, not starting with a digit, at most 255",
    ),
]
QueueName = Annotated[
    str,
    _matches(r"[A-Za-z0-9_.-]{1,100}", "must be letters, digits, '.', '_' and '-', at most 100"),
]
HostName = Annotated[
    str,
    _matches(r"[A-Za-z0-9._:-]+", "must be a host name or an IP address, without a scheme"),
]
IpAddress = Annotated[str, AfterValidator(_ip_address)]
Proxies = Annotated[int | Networks, BeforeValidator(_proxies)]
HostNames = Annotated[tuple[str, ...], BeforeValidator(_hosts)]
Email = Annotated[str, _matches(r"[^@\s]+@[^@\s]+", "must be an e-mail address")]
SecretKey = Annotated[
    str,
    _matches(rf"(?s).{{{MIN_KEY_LENGTH},}}", f"must have at least {MIN_KEY_LENGTH} characters"),
]
SecretKeys = Annotated[tuple[str, ...], BeforeValidator(_keys)]
Password = Annotated[str, _matches(r"(?s).{8,}", "must have at least 8 characters")]
Port = Annotated[int, Field(ge=1, le=65_535)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Duration = Annotated[float, BeforeValidator(_duration)]
SessionTime = Annotated[Duration, Field(ge=60, le=31_536_000)]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]
