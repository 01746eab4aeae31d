"""Why a database that answers takes no writes, by the error of its driver."""

import sqlite3
from enum import StrEnum

from sqlalchemy.exc import DBAPIError

from webapp.texts import N_


class WriteRefusal(StrEnum):
    LOCKED = "locked"
    FULL = "full"
    READ_ONLY = "read_only"
    # A write is not answered, and a question is.
    HANGS = "hangs"
    OTHER = "other"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def remedy(self) -> str:
        return _REMEDIES[self]


_LABELS = {
    WriteRefusal.LOCKED: N_("another program holds the lock of SQLite's file"),
    WriteRefusal.FULL: N_("disk full"),
    WriteRefusal.READ_ONLY: N_("read-only"),
    WriteRefusal.HANGS: N_("no answer to a write"),
    WriteRefusal.OTHER: N_("see the error in the log"),
}
_REMEDIES = {
    WriteRefusal.LOCKED: N_(
        "Find the program that has the file open (fuser, lsof), and end its transaction or the "
        "program; nothing that was stored is lost."
    ),
    WriteRefusal.FULL: N_("Free disk space for the database; nothing that was stored is lost."),
    WriteRefusal.READ_ONLY: N_(
        "Let DATABASE_URL lead to the primary, or make SQLite's file and folder writable; nothing "
        "that was stored is lost."
    ),
    WriteRefusal.HANGS: N_(
        "See what holds its locks (pg_stat_activity), and whether it waits for a standby; nothing "
        "that was stored is lost."
    ),
    WriteRefusal.OTHER: N_(
        "Read the error in the log and the database's own log; nothing that was stored is lost."
    ),
}
_BY_SQLITE_CODE = {
    sqlite3.SQLITE_BUSY: WriteRefusal.LOCKED,
    sqlite3.SQLITE_LOCKED: WriteRefusal.LOCKED,
    sqlite3.SQLITE_FULL: WriteRefusal.FULL,
    sqlite3.SQLITE_READONLY: WriteRefusal.READ_ONLY,
}
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_SQLSTATE = {
    "25006": WriteRefusal.READ_ONLY,
    "53100": WriteRefusal.FULL,
    "55P03": WriteRefusal.HANGS,
    "57014": WriteRefusal.HANGS,
}


def said_refusal(error: BaseException) -> WriteRefusal | None:
    """The refusal that the database itself names; None where it names none, or did not answer."""
    cause = _cause(error)
    # The higher bits of SQLite's code are details.
    if (code := getattr(cause, "sqlite_errorcode", None)) is not None:
        return _BY_SQLITE_CODE.get(code & 0xFF)
    return _BY_SQLSTATE.get(getattr(cause, "sqlstate", None) or "")


def refusal_of(error: BaseException) -> WriteRefusal:
    """Why a write failed in a database that answers questions."""
    if refusal := said_refusal(error):
        return refusal
    # A deadline of ours, or a connection that broke: PostgreSQL has said nothing.
    is_unanswered = getattr(_cause(error), "sqlstate", "") is None
    return WriteRefusal.HANGS if is_unanswered else WriteRefusal.OTHER


def _cause(error: BaseException) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error
