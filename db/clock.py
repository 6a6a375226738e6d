"""The database's clock: the only one that leases, back-offs and deadlines are measured with.

Clocks of workers drift and jump; comparing one worker's time with another's would hand the same job
to two of them. So no timestamp in a decision ever comes from Python.
"""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from db.columns import UtcDateTime


class _DatabaseTime(GenericFunction[Any]):
    """The time of the current statement, plus an offset in seconds."""

    type = UtcDateTime()
    inherit_cache = True
    name = "database_time"


@compiles(_DatabaseTime, "postgresql")
def _on_postgresql(element: _DatabaseTime, compiler: SQLCompiler, **kw: Any) -> str:
    # statement_timestamp(), not now(): a statement that waited for another transaction must not count
    # its lease from before the wait. Not clock_timestamp() either: it is volatile, which bars indexes.
    (seconds,) = element.clauses
    offset = compiler.process(seconds, **kw)
    return f"(statement_timestamp() + make_interval(secs => {offset}))"


@compiles(_DatabaseTime, "sqlite")
def _on_sqlite(element: _DatabaseTime, compiler: SQLCompiler, **kw: Any) -> str:
    # Padded to the six decimals SQLAlchemy stores, so that text comparison is time comparison.
    (seconds,) = element.clauses
    offset = compiler.process(seconds, **kw)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', printf('%+.3f seconds', {offset}))"


class _Epoch(GenericFunction[Any]):
    """Whole seconds since 1970 of a moment."""

    type = BigInteger()
    inherit_cache = True
    name = "epoch"


@compiles(_Epoch, "postgresql")
def _epoch_on_postgresql(element: _Epoch, compiler: SQLCompiler, **kw: Any) -> str:
    (moment,) = element.clauses
    return f"CAST(floor(extract(epoch FROM {compiler.process(moment, **kw)})) AS bigint)"


@compiles(_Epoch, "sqlite")
def _epoch_on_sqlite(element: _Epoch, compiler: SQLCompiler, **kw: Any) -> str:
    (moment,) = element.clauses
    return f"CAST(strftime('%s', {compiler.process(moment, **kw)}) AS INTEGER)"


def epoch(moment: Any) -> ColumnElement[int]:
    """SQL expression: the whole seconds of `moment` since 1970."""
    return _Epoch(moment)


def now(plus_seconds: float = 0.0) -> ColumnElement[Any]:
    """SQL expression: the database's current UTC time, `plus_seconds` later (negative: earlier)."""
    return _DatabaseTime(bindparam(None, plus_seconds, type_=Float()))
