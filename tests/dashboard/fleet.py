"""A small fleet to look at: what each test of the API finds in the database."""

from sqlalchemy.orm import Session, sessionmaker

from db.queries import workers
from db.records import ErrorInfo, Reason
from tests.db import zoo

HOSTILE = '=cmd|"/c calc"!A1.h5'


def fill(sessions: sessionmaker[Session]) -> dict[str, int]:
    """Two that fail for a Foo, one that is short, one done, one that runs, one that waits; jobs by key."""
    zoo.new_batch(sessions, ["foo1.h5", "foo2.h5", "short.h5", "done.h5", "runs.h5", HOSTILE])
    ids = zoo.job_ids(sessions)
    for name in ("foo1.h5", "foo2.h5"):
        reason = Reason(kind="unsupported-layer", subject="Foo", message="no rule for Foo", layer="l")
        error = ErrorInfo(kind="unsupported-model", message=f"layer '{name}' (Foo)", reasons=(reason,))
        zoo.fail(sessions, zoo.claim(sessions, ids[name]), error)
    zoo.fail(sessions, zoo.claim(sessions, ids["short.h5"]), ErrorInfo(kind="truncated", message="short"))
    zoo.succeed(sessions, zoo.claim(sessions, ids["done.h5"]))
    with sessions.begin() as session:
        workers.register(session, "w1", host="h", pid=1, slots=2, device="cpu", versions={"keras2torch": "1"})
    zoo.claim(sessions, ids["runs.h5"])
    return ids
