"""What tells a database from a copy of it that was restored: not its rows, but where they are."""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

# Of PostgreSQL: the cluster; its timeline, which a recovery or a failover begins anew; the database
# and the table, which have other numbers once they were made again, as by a dump. The table's file
# is left out: a VACUUM FULL changes it too.
PARTS = {
    "cluster": "(SELECT system_identifier FROM pg_control_system())",
    "timeline": "left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)",
    "database": "(SELECT oid FROM pg_database WHERE datname = current_database())",
    "table": "'{table}'::regclass::oid::bigint",
}
UNKNOWN = "-"

# The parts that a role may read, by the address of its database.
_readable: dict[str, tuple[str, ...]] = {}


def identity_of(session: Session, table: str) -> str:
    """The identity of the session's database and of the table in it, as `name=value` parts."""
    engine = session.get_bind().engine
    if engine.dialect.name == "sqlite":
        return f"file={inode_of(engine.url.database)}"
    address = str(engine.url)
    if address not in _readable:
        _readable[address] = tuple(name for name in PARTS if _is_readable(session, name, table))
    names = _readable[address]
    columns = ", ".join(PARTS[name].format(table=table) for name in names)
    values = session.execute(text(f"SELECT {columns}")).one()
    read = dict(zip(names, values, strict=True))
    return ";".join(f"{name}={read.get(name, UNKNOWN)}" for name in PARTS)


def is_other(before: str, now: str) -> bool:
    """Whether a part of the identity that both know is not the same."""
    earlier, current = _parts(before), _parts(now)
    return any(earlier[name] != current[name] for name in earlier.keys() & current.keys())


def _parts(identity: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in identity.split(";"))
    return {name: value for name, _, value in pairs if value != UNKNOWN}


def _is_readable(session: Session, name: str, table: str) -> bool:
    """Whether the role, and this kind of PostgreSQL, can tell this part; some services cannot."""
    try:
        with session.begin_nested():
            session.execute(text(f"SELECT {PARTS[name].format(table=table)}"))
    except DBAPIError:
        return False
    return True


def inode_of(file: str | None) -> str:
    """The number of the file, which another file in its place does not have."""
    try:
        return str(Path(file or "").stat().st_ino)
    except OSError:
        return UNKNOWN
