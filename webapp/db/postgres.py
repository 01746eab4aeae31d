"""Connections to PostgreSQL: the operator's parameters win, and every wait is bounded.

With a frozen server or a broken network, `statement_timeout` does not end a statement; while the
server's kernel still acknowledges packets, no socket time-out does. psycopg waits in Python, so
the wait is bounded here.
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
# Leaves the server time to report a statement that it cancelled itself.
ANSWER_S = STATEMENT_S + 5
# Used where neither the URL, libpq's variables nor a service file sets them.
DEFAULTS = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": str(STATEMENT_S * 1000),
}
# libpq checks these only when it connects.
INTEGERS = frozenset({*DEFAULTS, "connect_timeout", "keepalives", "port"})
# No socket can exist there, so libpq fails at once without a network.
NOWHERE = {"host": "/dev/null", "hostaddr": "", "port": ""}
# `-c name=value`, `-cname=value` and `--name=value`; a backslash keeps a space in the value.
SERVER_SETTING = re.compile(r"(?:-c\s*|--)([\w.-]+)=((?:\\.|[^\s\\])*)")
NOT_IN_FORCE = (
    "the search_path that was asked for is not in force: a pooler in between drops the start "
    "parameter 'options'. Set it on the server instead: ALTER ROLE … SET search_path = …"
)

T = TypeVar("T")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes itself, with an OperationalError, when the time is over.

    Whether the statement or commit took effect is unknown then.
    """

    # Of each transaction; sent with its BEGIN.
    limits: Mapping[str, str] = {}
    answer_s: float = ANSWER_S

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg's own, until the caller's deadline and at most `answer_s`."""
        within_s = left_s(self.answer_s) if timeout is None else timeout
        if within_s == math.inf:
            return super().wait(gen, interval)
        ends_at = time.monotonic() + within_s
        try:
            return super().wait(gen, interval, within_s)
        except psycopg.OperationalError as error:
            if time.monotonic() < ends_at:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {within_s:.1f} s") from error


def connect(*arguments: Any, context: Any = None, **parameters: Any) -> BoundedConnection:
    """A new connection, within the time left (libpq takes at least 2 s for each host).

    Statements are not prepared on the server: behind PgBouncer the next transaction may run on
    another server connection, which does not have them.

    Raises:
        psycopg.OperationalError: no connection, no time left to connect, or another `search_path`
            than the requested one is in force.
    """
    effective = in_force(parameters)
    hosts = str(parameters.get("host", "")).count(",") + 1
    wanted_s = int(effective.get("connect_timeout", CONNECT_S))
    each_s = left_s((wanted_s if wanted_s > 0 else ANSWER_S) * hosts) / hosts
    if not each_s:
        raise psycopg.OperationalError("no time is left to connect")
    defaults = {name: value for name, value in DEFAULTS.items() if name not in effective}
    connection = BoundedConnection.connect(
        *arguments,
        context=context,
        # Keeps psycopg from sending BEGIN: `begin` sends it, with the limit.
        autocommit=True,
        prepare_threshold=None,
        **(parameters | defaults | {"connect_timeout": math.ceil(each_s)}),
    )
    wanted = server_settings(effective.get("options", ""))
    _check_search_path(connection, wanted)
    connection.limits = {"statement_timeout": wanted.get("statement_timeout", f"{STATEMENT_S}s")}
    return connection


def begin(connection: Connection) -> None:
    """Begin a transaction in which the server cancels statements that take too long.

    The limit is sent with BEGIN, without a further round trip. PgBouncer would refuse it as a start
    parameter, and as a session setting it would stay on a server connection that PgBouncer shares.
    """
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    driver = _driver(connection)
    if not driver.autocommit:
        # SQLAlchemy resets it after a connection was used in AUTOCOMMIT.
        driver.autocommit = True
    mode = " READ ONLY" if driver.read_only else ""
    limits = [f"SET LOCAL {name} = {_quoted(limit)}" for name, limit in driver.limits.items()]
    connection.exec_driver_sql("; ".join([f"BEGIN{mode}", *limits]))


def limit_waits_for_locks(connection: Connection, limit: str) -> None:
    """Let statements of a migration take any time, and wait for each lock this long at most."""
    driver = _driver(connection)
    driver.answer_s = math.inf
    driver.limits = {
        "statement_timeout": "0",
        "lock_timeout": limit,
        "idle_in_transaction_session_timeout": "0",
    }


def in_force(parameters: Mapping[str, Any]) -> dict[str, str]:
    """These parameters, libpq's variables (PGOPTIONS, …), a service file; without host and port."""
    options = _begin({**parameters, **NOWHERE}).info
    return {
        each.keyword.decode(): each.val.decode()
        for each in options
        if each.val and each.keyword.decode() not in NOWHERE
    }


def unusable(parameters: Mapping[str, Any]) -> str | None:
    """The name of the first parameter that libpq does not know, or whose value it refuses."""
    names = {each.keyword.decode() for each in pq.Conninfo.get_defaults()}
    refusal = _begin(NOWHERE).error_message
    for name, value in parameters.items():
        is_given_twice = not isinstance(value, str | int)
        if name not in names or is_given_twice or (name in INTEGERS and not _are_numbers(value)):
            return name
        if name not in NOWHERE and _begin({name: value, **NOWHERE}).error_message != refusal:
            return name
    return None


def server_settings(options: str) -> dict[str, str]:
    """The server settings in a start parameter `options`, by name; the last one wins."""
    return {
        name.lower().replace("-", "_"): re.sub(r"\\(.)", r"\1", value)
        for name, value in SERVER_SETTING.findall(options)
    }


def _driver(connection: Connection) -> BoundedConnection:
    driver = connection.connection.dbapi_connection
    if not isinstance(driver, BoundedConnection):
        raise TypeError("the engine was not prepared")
    return driver


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''").replace("%", "%%") + "'"


def _begin(parameters: Mapping[str, Any]) -> pq.abc.PGconn:
    return pq.PGconn.connect_start(make_conninfo("", **parameters).encode())


def _are_numbers(value: Any) -> bool:
    # With several hosts: their ports, each optional.
    return all(re.fullmatch(r"-?\d{0,9}", each) for each in str(value).split(","))


def _check_search_path(connection: BoundedConnection, wanted: Mapping[str, str]) -> None:
    """Refuse another schema: two installs would share tenants, users and tokens."""
    if "search_path" not in wanted:
        return
    with ExitStack() as on_mismatch:
        on_mismatch.callback(connection.close)
        row = connection.execute("SHOW search_path").fetchone()
        if row is None or _split(row[0]) != _split(wanted["search_path"]):
            raise psycopg.OperationalError(NOT_IN_FORCE)
        on_mismatch.pop_all()


def _split(search_path: str) -> list[str]:
    return [name.strip().strip('"') for name in search_path.split(",")]
