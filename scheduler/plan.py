"""Turns a listing into jobs, a page a transaction: what is known is found again, what is new is added.

Listing the same store again, or twice at once, adds nothing; a changed object is a new source and so a new
job. Each page also moves the batch's checkpoint, in the same transaction, past everything that was listed, taken or
not: whoever plans an interrupted batch goes on behind it. Memory holds one page.
"""

from collections.abc import Iterable, Iterator
from itertools import takewhile

from sqlalchemy.orm import Session, sessionmaker

from db.queries import inventory
from scheduler import discover
from scheduler.selection import EVERYTHING, Selection
from storage.store import ObjectInfo, ObjectStore


def plan(
    sessions: sessionmaker[Session],
    store: ObjectStore,
    batch_id: int,
    selection: Selection = EVERYTHING,
) -> Iterator[inventory.Planned]:
    """Plan what `selection` takes of `store` into the batch, yielding after each page; then end the planning.

    Begins behind the batch's checkpoint. The caller may stop at any page.
    """
    with sessions() as session:
        listed_after = inventory.listed_after(session, batch_id)
    yield from _planned(sessions, store.list(start_after=listed_after), batch_id, selection)
    with sessions.begin() as session:
        inventory.end_planning(session, batch_id)


def plan_up_to(
    sessions: sessionmaker[Session],
    store: ObjectStore,
    batch_id: int,
    last_key: str,
    selection: Selection = EVERYTHING,
) -> Iterator[inventory.Planned]:
    """Plan from the beginning to `last_key`: what came there since a listing that went on behind it was interrupted."""
    end = last_key.encode()
    front = takewhile(lambda found: found.key.encode() <= end, store.list())
    yield from _planned(sessions, front, batch_id, selection)


def _planned(
    sessions: sessionmaker[Session], listing: Iterable[ObjectInfo], batch_id: int, selection: Selection
) -> Iterator[inventory.Planned]:
    for page in discover.pages(listing):
        models = list(discover.models(page, selection))
        with sessions.begin() as session:
            planned = inventory.plan(
                session, batch_id, models, listed_to=page[-1].key, only_needed=selection.only_needed
            )
        yield planned
