"""INSERT .. ON CONFLICT DO NOTHING, which both stores have and neither spells portably."""

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
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
