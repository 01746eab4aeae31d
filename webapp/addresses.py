"""Addresses of Redis and Milvus: which are refused, and which parts may be shown."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

# A unix socket's path may have 107 bytes (sun_path in Linux's unix(7)); Redis writes a
# temporary name beside it, so stay well below.
MAX_SOCKET_PATH_BYTES = 100
BREAKS_CLIENT_LIST = set(" =")

PORT_RULE = "has a port outside 1 to 65535"
HIDDEN = "********"
# Parameters behind the `?` whose values are no secrets; what is not listed is not shown.
SHOWN_PARAMETERS = re.compile(
    r"application_name|client_\w+|\w*timeout|db|health_check_interval|host|keepalives\w*"
    r"|max_connections|options|port|prepare_threshold|protocol|socket_keepalive|sslcert|sslkey"
    r"|sslmode|sslrootcert|target_session_attrs"
    r"|ssl_(ca_certs|ca_path|cert_reqs|certfile|check_hostname|keyfile|min_version)"
)
# Parameters whose values are masked in every log line.
SECRET_PARAMETER = re.compile(r"pass(?:word|phrase)|token|secret", re.IGNORECASE)


def without_password(address: str) -> str:
    """The address as it may be shown: its password and unknown parameters are masked.

    A single name before the `@` is a user for PostgreSQL; elsewhere it may be the password, so it
    is masked too.
    """
    scheme, separator, rest = address.partition("://")
    place, mark, query = rest.partition("?")
    # A path may hold an @ of its own.
    credentials, at, host = ("", "", place) if place.startswith("/") else place.rpartition("@")
    user, colon, _password = credentials.partition(":")
    if colon:
        credentials = f"{user}:{HIDDEN}"
    elif credentials and not scheme.startswith("postgres"):
        credentials = HIDDEN
    parameters = "&".join(_mask(parameter) for parameter in query.split("&"))
    return f"{scheme}{separator}{credentials}{at}{host}{mark}{parameters}"


def _mask(parameter: str) -> str:
    name, equals, _value = parameter.partition("=")
    if not parameter or SHOWN_PARAMETERS.fullmatch(name):
        return parameter
    return f"{name}={HIDDEN}" if equals else HIDDEN


def secrets_in(address: str) -> Iterator[str]:
    """The passwords in an address, decoded as the server gets them."""
    parts = urlsplit(address)
    if parts.password:
        yield unquote(parts.password)
    elif parts.username and not parts.scheme.startswith("postgres"):
        yield unquote(parts.username)
    yield from (value for name, value in parse_qsl(parts.query) if SECRET_PARAMETER.search(name))


def unix_address(socket: Path) -> str:
    """The address of a Redis on a unix socket; unusual characters of its path are quoted."""
    return f"unix://{quote(os.fsencode(socket))}"


def is_usable_socket(socket: Path) -> bool:
    """Whether Redis can listen there and RQ can work with it.

    A space or a `=` in the path is refused: each worker parses `CLIENT LIST`, which names the
    socket and uses both as separators (redis-py 8.1, `parse_client_list`).
    """
    is_short = len(os.fsencode(socket)) <= MAX_SOCKET_PATH_BYTES
    return is_short and not BREAKS_CLIENT_LIST & set(str(socket))


def usable_milvus_uri(value: str) -> str:
    """The value, when it is the address of a Milvus server.

    Raises:
        ValueError: what is accepted. It repeats no part of the value, which may be a credential.
    """
    parts = urlsplit(value)
    is_file = value.endswith(".db")
    if parts.scheme not in {"http", "https", "tcp"} or not parts.hostname or is_file:
        raise ValueError(
            "must be the address of a Milvus server such as http://127.0.0.1:19530 "
            "or https://…; a local file is not one"
        )
    if "@" in parts.netloc:
        raise ValueError("must hold no credentials; put them into MILVUS_TOKEN")
    if "?" in value or "#" in value:
        raise ValueError("must end before any '?' or '#'; a credential belongs into MILVUS_TOKEN")
    if re.search(r"\s", value):
        raise ValueError("must hold no space")
    if port_of(value) == 0:
        raise ValueError(PORT_RULE)
    return value


def port_of(url: str) -> int | None:
    """The port. The error repeats no part of the address, which may be a password."""
    try:
        return urlsplit(url).port
    except ValueError:
        raise ValueError(PORT_RULE) from None


def usable_redis_url(value: str) -> str:
    """The value, when the Redis client accepts all of it.

    Raises:
        ValueError: what is wrong, without any part of the value.
    """
    parts = urlsplit(value)
    if parts.scheme not in {"redis", "rediss", "unix"} or "://" not in value:
        raise ValueError("must start with redis://, rediss:// or unix://")
    port_of(value)
    if parts.fragment or value.endswith("#"):
        raise ValueError("holds a '#'; write %23 for one in a path or a password")
    if parts.scheme == "unix":
        _check_socket(parts.netloc, parts.path)
    else:
        if "@" in parts.path + parts.query:
            raise ValueError("has a '/' or '?' in its password; write %2F or %3F")
        if not re.fullmatch(r"/?\d*", parts.path):
            raise ValueError("has a database that is no number, as in redis://127.0.0.1:6379/0")
    # Imported here: `make run` itself asks this module for no more than a socket's length.
    from redis import RedisError
    from redis.connection import ConnectionPool

    try:
        # Opens no connection, but refuses an unknown parameter now instead of at each call.
        ConnectionPool.from_url(value).make_connection()
    except (TypeError, ValueError, RedisError):
        raise ValueError("is no address such as redis://:password@host:6379/0") from None
    return value


def _check_socket(netloc: str, path: str) -> None:
    if netloc.rpartition("@")[2] or not path:
        raise ValueError("must have three slashes and a path, as in unix:///run/redis.sock")
    if BREAKS_CLIENT_LIST & set(unquote(path)):
        raise ValueError("names a socket with a space or a = in its path: RQ cannot work with it")
