"""Lists of jobs that people want to see again; each has their own."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from db.models import SavedView
from db.queries.insert_new import insert_or_change

MOST = 200
"""So many views somebody may keep."""


@dataclass(frozen=True, kw_only=True)
class ViewRow:
    """A view."""

    id: int
    name: str
    query: str
    """What stands behind the question mark of its address."""
    created_at: datetime


def list_views(session: Session, owner: str) -> list[ViewRow]:
    """Somebody's views, by name."""
    columns = (SavedView.id, SavedView.name, SavedView.query, SavedView.created_at)
    rows = session.execute(select(*columns).where(SavedView.owner == owner).order_by(SavedView.name))
    return [ViewRow(**row._mapping) for row in rows]


def save(session: Session, owner: str, name: str, query: str) -> bool:
    """Keeps a view, in place of that of the same name; False: there are too many others."""
    others = select(func.count()).where(SavedView.owner == owner, SavedView.name != name)
    if session.scalars(others).one() >= MOST:
        return False
    insert_or_change(session, SavedView, {"owner": owner, "name": name}, {"query": query})
    return True


def forget(session: Session, owner: str, name: str) -> bool:
    """False: there was none of that name."""
    gone = session.scalars(
        delete(SavedView)
        .where(SavedView.owner == owner, SavedView.name == name)
        .returning(SavedView.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return gone is not None
