"""Connections to PostgreSQL: what the operator set is in force, and every wait has an end.

A server that is frozen, or a network that swallows packets, keeps neither its own
`statement_timeout` nor, while its kernel still acknowledges, the socket's. psycopg waits in
Python, so here is where the wait can end.
"""

import math
import re
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import Connection

from webapp.db.deadline import left_s

CONNECT_S = 5
STATEMENT_S = 30
# A statement that the server itself gives up comes back as an error within this.
ANSWER_S = STATEMENT_S + 5
# For each of these that neither the URL, libpq's variables nor a service file sets.
DEFAULTS = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": str(STATEMENT_S * 1000),
}
# libpq takes any text for these until it connects.
INTEGERS = frozenset({*DEFAULTS, "connect_timeout", "keepalives", "port"})
# No socket can be there, so libpq gives up at once.
NOWHERE = {"host": "/dev/null", "hostaddr": "", "port": ""}
# `-c name=value`, `-cname=value` and `--name=value`; a backslash keeps a space in the value.
SERVER_SETTING = re.compile(r"(?:-c\s*|--)([\w.-]+)=((?:\\.|[^\s\\])*)")
NOT_IN_FORCE = (
    "the search_path that was asked for is not in force: a pooler in between drops the start "
    "parameter 'options'. Set it on the server instead: ALTER ROLE … SET search_path = …"
)

T = TypeVar("T")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes instead of waiting on.

    After that nobody knows what became of the statement or the commit; whoever asked gets an
    OperationalError, and the pool sees a closed connection and drops it.
    """

    statement_timeout = ""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg's own, for as long as the caller has, and never longer than ANSWER_S."""
        within_s = left_s(ANSWER_S) if timeout is None else timeout
        ends_at = time.monotonic() + within_s
        try:
            return super().wait(gen, interval, within_s)
        except psycopg.OperationalError as error:
            if time.monotonic() < ends_at:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {within_s:.1f} s") from error


def connect(*arguments: Any, context: Any = None, **parameters: Any) -> BoundedConnection:
    """A new connection, in the time that is left (libpq takes 2 s for each host at the least).

    Statements are not prepared on the server: behind PgBouncer the next transaction may meet
    another server connection, which does not know them.

    Raises:
        psycopg.OperationalError: there is none, no time is left to ask for one, or it would
            work in another schema than the `search_path` that was asked for.
    """
    known = in_force(parameters)
    hosts = str(parameters.get("host", "")).count(",") + 1
    wanted_s = int(known.get("connect_timeout", CONNECT_S))
    each_s = left_s((wanted_s if wanted_s > 0 else ANSWER_S) * hosts) / hosts
    if not each_s:
        raise psycopg.OperationalError("no time is left to connect")
    ours = {name: value for name, value in DEFAULTS.items() if name not in known}
    connection = BoundedConnection.connect(
        *arguments,
        context=context,
        # psycopg sends no BEGIN of its own: `begin` does, with more in it.
        autocommit=True,
        prepare_threshold=None,
        **(parameters | ours | {"connect_timeout": math.ceil(each_s)}),
    )
    asked = server_settings(known.get("options", ""))
    _check_search_path(connection, asked)
    connection.statement_timeout = asked.get("statement_timeout", f"{STATEMENT_S}s")
    return connection


def begin(connection: Connection) -> None:
    """Begin a transaction whose statements the server gives up after a while.

    The limit is sent with BEGIN, which costs no round trip. As a start parameter PgBouncer would
    refuse it, and what is set for a session stays on a server connection that PgBouncer hands to
    another program.
    """
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    driver = connection.connection.dbapi_connection
    if not isinstance(driver, BoundedConnection):
        raise TypeError("the engine was not prepared")
    if not driver.autocommit:
        # SQLAlchemy sets it back after a connection was in AUTOCOMMIT for a while.
        driver.autocommit = True
    limit = driver.statement_timeout.replace("'", "''").replace("%", "%%")
    mode = " READ ONLY" if driver.read_only else ""
    connection.exec_driver_sql(f"BEGIN{mode}; SET LOCAL statement_timeout = '{limit}'")


def in_force(parameters: Mapping[str, Any]) -> dict[str, str]:
    """How libpq would connect: by these, its variables (PGOPTIONS, …) and a service file.

    It is asked without a server or a network, so where it would connect to is left out.
    """
    known = _begin({**parameters, **NOWHERE}).info
    return {
        each.keyword.decode(): each.val.decode()
        for each in known
        if each.val and each.keyword.decode() not in NOWHERE
    }


def unusable(parameters: Mapping[str, Any]) -> str | None:
    """The name of the first parameter that libpq does not know, or whose value it refuses."""
    known = {each.keyword.decode() for each in pq.Conninfo.get_defaults()}
    refusal = _begin(NOWHERE).error_message
    for name, value in parameters.items():
        is_given_twice = not isinstance(value, str | int)
        if name not in known or is_given_twice or (name in INTEGERS and not _are_numbers(value)):
            return name
        if name not in NOWHERE and _begin({name: value, **NOWHERE}).error_message != refusal:
            return name
    return None


def server_settings(options: str) -> dict[str, str]:
    """The server's settings in a start parameter `options`, by name; the last one counts."""
    return {
        name.lower().replace("-", "_"): re.sub(r"\\(.)", r"\1", value)
        for name, value in SERVER_SETTING.findall(options)
    }


def _begin(parameters: Mapping[str, Any]) -> pq.abc.PGconn:
    return pq.PGconn.connect_start(make_conninfo("", **parameters).encode())


def _are_numbers(value: Any) -> bool:
    # Each of several hosts may have its port, or none.
    return all(re.fullmatch(r"-?\d{0,9}", each) for each in str(value).split(","))


def _check_search_path(connection: BoundedConnection, asked: Mapping[str, str]) -> None:
    """Refuse to work in another schema: two installs would share tenants, users and tokens."""
    if "search_path" not in asked:
        return
    with ExitStack() as unless_it_is:
        unless_it_is.callback(connection.close)
        row = connection.execute("SHOW search_path").fetchone()
        if row is None or _split(row[0]) != _split(asked["search_path"]):
            raise psycopg.OperationalError(NOT_IN_FORCE)
        unless_it_is.pop_all()


def _split(search_path: str) -> list[str]:
    return [name.strip().strip('"') for name in search_path.split(",")]
