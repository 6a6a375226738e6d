"""Turns a listing into jobs, a page a transaction: what is known is found again, what is new is added.

Listing the same store again, or twice at once, adds nothing; a changed object is a new source and so a new
job.
"""

from collections.abc import Iterator

from sqlalchemy.orm import Session, sessionmaker

from db.queries import inventory
from scheduler import discover
from storage.store import ObjectStore


def plan(sessions: sessionmaker[Session], store: ObjectStore, batch_id: int) -> Iterator[inventory.Planned]:
    """Plan every model in `store` into the batch, yielding after each page; then end the planning."""
    for page in discover.pages(discover.models(store.list())):
        with sessions.begin() as session:
            planned = inventory.plan(session, batch_id, page)
        yield planned
    with sessions.begin() as session:
        inventory.end_planning(session, batch_id)
