"""Pausing a batch and ending its pause, as a person asks for it: where there is something to do, and recorded."""

from collections.abc import Callable
from typing import Literal

from sqlalchemy.orm import Session

from db.errors import NothingToDo, UnknownBatch
from db.queries import audit, control
from db.queries.audit import Actor
from db.states import BatchState

BatchAct = Literal["hold", "release"]

_ACTS: dict[BatchAct, tuple[Callable[[Session, int], list[int]], frozenset[BatchState]]] = {
    "hold": (control.hold, frozenset({BatchState.PLANNING, BatchState.RUNNING})),
    "release": (control.resume, frozenset({BatchState.HELD})),
}
"""What does it, and the states of a batch in which it can be done."""


def act(session: Session, actor: Actor, action: BatchAct, batch_id: int) -> int:
    """Do it; returns how many jobs it changed.

    Raises:
        UnknownBatch: there is no such batch.
        NothingToDo: it is in no state for that.
    """
    do, among = _ACTS[action]
    state = control.batch_state(session, batch_id)
    if state is None:
        raise UnknownBatch(batch_id)
    if state not in among:
        raise NothingToDo(f"batch {batch_id} is {state}: there is nothing to {action}")
    jobs = len(do(session, batch_id))
    audit.write(session, actor, action, f"batch:{batch_id}", jobs=jobs)
    return jobs
