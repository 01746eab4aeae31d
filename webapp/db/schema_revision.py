"""The schema's revision: whether this release can serve on the database's tables."""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from webapp.db.session import Database

VERSIONS = Path(__file__).resolve().parents[2] / "migrations" / "versions"
TABLE = "alembic_version"
# One of the first migration.
TENANTS = "tenant"
FOUND = text(f"SELECT version_num FROM {TABLE}")  # noqa: S608
REMEDY = "run `flask db upgrade`"


class SchemaState(StrEnum):
    """How the database's schema stands to this release, as `/readyz` says it."""

    IN_STEP = "ok"
    AHEAD = "ahead"
    BEHIND = "schema_behind"
    EMPTY = "no_tables"
    UNKNOWN = "schema_unknown"


@dataclass(frozen=True)
class SchemaRevision:
    """The revision that the database has, and the one that this release was written for."""

    found: str | None
    wanted: str
    # Only asked where no revision is found.
    has_tables: bool = False
    # The revision on which the database served before, as far as is known; where it has none now.
    before: str | None = None

    @property
    def state(self) -> SchemaState:
        if self.found is None:
            return SchemaState.UNKNOWN if self.has_tables else SchemaState.EMPTY
        if self.found == self.wanted:
            return SchemaState.IN_STEP
        return SchemaState.AHEAD if self.found > self.wanted else SchemaState.BEHIND

    @property
    def serves(self) -> bool:
        """Whether this release runs on it.

        Also where it is ahead: migrations keep all that the version before uses, so that machines
        are upgraded one by one, after the database (docs/operations.md, Upgrading). And where the
        revision was lost while this process served: the tables are still there.
        """
        is_known = self.state in {SchemaState.IN_STEP, SchemaState.AHEAD}
        return is_known or (self.state is SchemaState.UNKNOWN and self.before is not None)

    @property
    def sentence(self) -> str:
        """What is so, with the remedy where there is one."""
        match self.state:
            case SchemaState.EMPTY if self.before:
                return (
                    "The database has no tables any more: it was emptied, or another one is in its "
                    "place. Restore it; `flask db upgrade` would begin without any tenant."
                )
            case SchemaState.EMPTY:
                return f"The database has no tables yet: {REMEDY}."
            case SchemaState.UNKNOWN:
                return (
                    f"The database has tables, and its table {TABLE} names no revision: restore "
                    "that table, or name the revision of the release that made the tables by "
                    "`flask db stamp REVISION`."
                )
            case SchemaState.BEHIND:
                return (
                    f"The database's schema is at revision {self.found}, and this release needs "
                    f"{self.wanted}: {REMEDY}."
                )
            case SchemaState.AHEAD:
                return (
                    f"The database's schema is at revision {self.found}, ahead of this release, "
                    f"which was written for {self.wanted}: it serves; upgrade this machine too."
                )
            case SchemaState.IN_STEP:
                return f"The schema is at revision {self.found}, as this release needs it."


class SchemaBehind(Exception):
    """The tables are not there yet, or are those of an older release; the message says so."""

    def __init__(self, revision: SchemaRevision) -> None:
        super().__init__(revision.sentence)
        self.revision = revision


@cache
def wanted_revision() -> str:
    """The newest migration of this release; their numbers grow."""
    return max(path.name for path in VERSIONS.glob("[0-9]*.py")).partition("_")[0]


def schema_revision(session: Session) -> SchemaRevision:
    """What the database says now."""
    tables = inspect(session.connection())
    found = session.scalar(FOUND) if tables.has_table(TABLE) else None
    has_tables = found is None and tables.has_table(TENANTS)
    return SchemaRevision(found, wanted_revision(), has_tables)


class Schema:
    """This process's knowledge of the schema: asked for until it serves, then by heartbeats."""

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._known: SchemaRevision | None = None
        self._served_on: str | None = None

    def revision(self) -> SchemaRevision:
        """The revision; it costs nothing while the schema serves, as it was last asked for."""
        return self._known or self.refresh()

    def refresh(self) -> SchemaRevision:
        """Ask the database now; where it does not answer, it raises, and what was known stays."""
        revision = self._database.read(schema_revision)
        if revision.found is None:
            revision = replace(revision, before=self._served_on)
        elif revision.serves:
            self._served_on = revision.found
        self._known = revision if revision.serves else None
        return revision

    def require(self) -> SchemaRevision:
        """The revision; raises SchemaBehind until the schema serves."""
        if not (revision := self.revision()).serves:
            raise SchemaBehind(revision)
        return revision
