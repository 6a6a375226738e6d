"""Which errors of the database are an outage, to be waited out, and which a fault, to be said at once.

SQLAlchemy sorts errors as their drivers do, and these put a vanished server and a missing table into one class. What
tells them apart is the code that each database gives with its error.
"""

import sqlite3

from sqlalchemy import exc

#: PostgreSQL: what a SQLSTATE begins with, the classes of two characters first.
OUTAGE_STATES: tuple[str, ...] = (
    "08",  # the connection is gone
    "40",  # rolled back for the sake of another: deadlock, serialization
    "53",  # no room: disk, memory, connections
    "57P01",  # the server is shutting down,
    "57P02",  # crashed,
    "57P03",  # is starting,
    "57P05",  # has ended a session that lay idle,
    "25P03",  # or one that stood still within a transaction
    "25006",  # for reading only: a standby that is to be the primary, a server that guards a full disk
    "57014",  # somebody cancelled the statement, or it ran out of time (`took_too_long`)
    "55P03",  # a lock was not to be had in time
    "58000",  # the server's system failed,
    "58030",  # or its disk
)

#: SQLite: primary result codes, of which an extended one is a kind.
OUTAGE_CODES: frozenset[int] = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,  # locked, in the words of the write-ahead log
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CANTOPEN,  # its disk is not mounted, or this process has too many files open
    }
)


def took_too_long(error: BaseException) -> bool:
    """Whether PostgreSQL ended a statement that ran for longer than `session.make_engine` was told, or somebody did."""
    return isinstance(error, exc.DBAPIError) and getattr(error.orig, "sqlstate", None) == "57014"


def is_outage(error: BaseException) -> bool:
    """Whether the database is away, or too busy to answer: what failed may be tried again as it is.

    False for every other error of the database, such as a missing table, a file that is corrupt or may only be read,
    or a duplicate key: that is the same tomorrow. False as well for what is no error of SQLAlchemy's.
    """
    if isinstance(error, exc.TimeoutError):  # no connection of the pool came free
        return True
    if not isinstance(error, exc.DBAPIError):
        return False
    if (state := getattr(error.orig, "sqlstate", None)) is not None:
        return str(state).startswith(OUTAGE_STATES)
    if (code := getattr(error.orig, "sqlite_errorcode", None)) is not None:
        return code & 0xFF in OUTAGE_CODES
    # A server that cannot be reached, or has gone without a word, gives no code.
    return isinstance(error, exc.OperationalError | exc.InterfaceError)
