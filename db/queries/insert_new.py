"""INSERT .. ON CONFLICT, which both stores have and neither spells portably."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models import Base


def insert_new(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts the rows whose unique keys are not there yet; waits for a rival's uncommitted equals."""
    if rows:
        session.execute(insert_unless_there(session, table), list(rows))


def insert_unless_there(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """The statement alone, to add `from_select` or `returning` to."""
    return _insert(session, table).on_conflict_do_nothing()


def insert_or_change(
    session: Session, table: type[Base], key: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Inserts a row, or has the one whose unique `key` is there take these values, as one step."""
    statement = _insert(session, table).values(**key, **values)
    session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def _insert(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    return (
        postgresql.insert(table) if session.get_bind().dialect.name == "postgresql" else sqlite.insert(table)
    )
