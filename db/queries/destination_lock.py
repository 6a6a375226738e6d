"""Keeps claims and the removal of garbage apart: nothing is removed while a job begins, and none begins meanwhile.

A claim shares the lock of its destination until it commits; who removes has the lock alone, looks who runs, and
removes. So a job is either seen to run, or begins when what was to go is gone, and puts there again what it needs.
"""

from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, func, literal, null, select
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

_SEED = 0x6B3274
"""Tells these locks from others that this or another program may take in the same database."""


def shared(session: Session, dest_url: SQLColumnExpression[str]) -> ColumnElement[Any]:
    """Something to select, which takes the lock of this destination until the transaction ends, as others may too."""
    if session.get_bind().dialect.name != "postgresql":
        return null()  # SQLite lets one transaction write at a time, whatever it is about
    return func.pg_advisory_xact_lock_shared(_number(dest_url))


def exclusive(session: Session, dest_url: str) -> None:
    """Waits for claims under way of jobs that publish there, and holds up new ones until the transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_number(literal(dest_url, Text())))))


def _number(dest_url: SQLColumnExpression[str]) -> ColumnElement[int]:
    return func.hashtextextended(dest_url, _SEED)
