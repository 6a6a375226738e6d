"""Named points at which a process of the fleet can be made to die, and nothing of them in the fleet itself.

A point lies before or after a function, a commit or a message. Installing replaces those functions, in a process of the
harness, by ones that stop at their points first; a function that was renamed fails the installation. So there is no
switch that a normal run could find turned on.
"""

import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.errors import LeaseLost

BUNDLE = ("README.md", "manifest.json", "model.py", "model.safetensors", "parity.json")

_QUERIES = ("claim", "set_content", "heartbeat", "finish", "release")
_AROUND_QUERY = ("before", "before-commit", "after-commit")

WORKER_POINTS: tuple[str, ...] = (
    "message.received",
    *(f"{query}.{where}" for query in _QUERIES for where in _AROUND_QUERY),
    "attempt.half-ended",
    "job.half-given-back",
    "download.before",
    "download.after",
    "convert.before",
    "convert.half-written",
    "convert.after",
    "verify.before",
    "verify.after",
    *(f"put.content.{name}.{where}" for name in BUNDLE for where in ("before", "after")),
    "put.manifest.before",
    "put.manifest.after",
    *(f"put.by-name.{name}.{where}" for name in BUNDLE for where in ("before", "after")),
    "adopt.before",
    "adopt.after",
    "ack.before",
    "ack.after",
)
SCHEDULER_POINTS: tuple[str, ...] = (
    "dispatch.before",
    "dispatch.chosen",
    "send.before",
    "send.half",
    "send.after",
    "mark.before-commit",
    "mark.after-commit",
    "reap.before",
    "reap.half",
    "reap.before-commit",
    "reap.after-commit",
)
POINTS = (*WORKER_POINTS, *SCHEDULER_POINTS)


@dataclass(kw_only=True)
class Fuse:
    """Dies when `armed` is passed for the `passing`-th time; notes in `record` the points that were passed.

    A note is one appended line, which the kernel keeps whatever becomes of the process.
    """

    record: Path
    armed: str | None = None
    passing: int = 1
    how: signal.Signals = signal.SIGKILL
    """SIGSTOP: does not die, but stands still there until somebody wakes it."""
    in_hand: str = "-"
    """The attempt that this process is at, as `job/fence`."""
    _passed: dict[str, int] = field(default_factory=dict)

    @property
    def hit(self) -> bool:
        """Whether its point was passed so often that this process was to stop there."""
        return self.armed is not None and self._passed.get(self.armed, 0) >= self.passing

    def point(self, name: str) -> None:
        """Called wherever the process could die."""
        if name not in POINTS:
            raise LookupError(f"no crash point is called {name}")
        first = name not in self._passed
        self._passed[name] = self._passed.get(name, 0) + 1
        here = name == self.armed and self._passed[name] == self.passing
        if first or here:
            self.note("hit" if here else "passed", name, self.in_hand)
        if here:
            # To this thread, which so takes it here. The kernel may give one for the process to any other thread, and
            # this one would go on for a while, into its next statement.
            signal.pthread_kill(threading.get_ident(), self.how)

    def note(self, what: str, name: str, attempt: str = "-") -> None:
        """Write down that something happened, and to which attempt."""
        with self.record.open("a") as record:
            record.write(f"{what} {name} {attempt}\n")


@dataclass(frozen=True)
class Note:
    """What a process wrote down."""

    name: str
    attempt: str
    """As `job/fence`, or `-`."""


def noted(record: Path, what: str) -> list[Note]:
    """What all processes wrote down under this word, in order: `passed`, `hit`, `refused`, `fenced`."""
    lines = [line.split() for line in record.read_text().splitlines()] if record.exists() else []
    return [Note(name, attempt) for found, name, attempt in lines if found == what]


def around(owner: Any, name: str, before: Callable[..., object], after: Callable[..., object]) -> None:
    """Replace a function by itself between two calls, each given its arguments."""
    inner = getattr(owner, name)

    @wraps(inner)
    def call(*args: Any, **kwargs: Any) -> Any:
        before(*args, **kwargs)
        result = inner(*args, **kwargs)
        after(*args, **kwargs)
        return result

    setattr(owner, name, call)


def install_in_worker(fuse: Fuse) -> None:
    """Put the worker's points where they belong, in this process."""
    from celery.worker.request import Request

    from db.queries import attempts, queue
    from workers import lease, publish, tasks

    _note_claims(fuse, queue)
    for query in ("set_content", "finish", "release"):
        _note_refusals(fuse, queue, query)
    around(lease.Lease, "end", lambda held, reason: _note_fencing(fuse, held, reason), _nothing)
    for query in _QUERIES:
        _around_query(fuse, queue, query, query)
    _watch_commits(fuse)
    around(attempts, "end", _nothing, _at(fuse, "attempt.half-ended"))
    around(attempts, "give_back", _nothing, _at(fuse, "job.half-given-back"))
    around(publish, "fetch", _at(fuse, "adopt.before"), _at(fuse, "adopt.after"))
    around(tasks, "convert_job", _at(fuse, "message.received"), _nothing)
    around(Request, "acknowledge", _at(fuse, "ack.before"), _at(fuse, "ack.after"))


def install_in_scheduler(fuse: Fuse) -> None:
    """The same for a scheduler; its sender comes from `sender`."""
    from db.queries import attempts, dispatch, reap

    around(dispatch, "due_for_dispatch", _at(fuse, "dispatch.before"), _at(fuse, "dispatch.chosen"))
    _around_query(fuse, dispatch, "mark_dispatched", "mark")
    _around_query(fuse, reap, "reap", "reap")
    _watch_commits(fuse)
    around(attempts, "give_back", _nothing, _at(fuse, "reap.half"))


def sender(fuse: Fuse, send: Callable[[Iterable[tuple[int, str]]], None]) -> Callable[..., None]:
    """A sender that can die before, between and behind its messages."""

    def each(jobs: list[tuple[int, str]]) -> Iterable[tuple[int, str]]:
        for number, job in enumerate(jobs):
            if number == len(jobs) // 2:
                fuse.point("send.half")
            yield job

    def call(jobs: Iterable[tuple[int, str]]) -> None:
        fuse.point("send.before")
        send(each(list(jobs)))
        fuse.point("send.after")

    return call


def noting_refusal(fuse: Fuse, run: Callable[[], int]) -> Callable[[], int]:
    """A duty that writes down when the database refused what its scheduler, which had stood still, wanted."""

    def call() -> int:
        try:
            return run()
        except DBAPIError:
            if fuse.hit:
                fuse.note("refused-scheduler", str(fuse.armed))
            raise

    return call


class Store:
    """An object store with a point before and after whatever a worker does with it."""

    def __init__(self, store: Any, fuse: Fuse) -> None:
        self._store = store
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def fetch(self, key: str, path: Path, **wanted: Any) -> Any:
        source = path.parent.name == "source"
        if source:
            self._fuse.point("download.before")
        found = self._store.fetch(key, path, **wanted)
        if source:
            self._fuse.point("download.after")
        return found

    def put_file(self, key: str, path: Path, **wanted: Any) -> Any:
        what = f"put.{'by-name' if key.startswith('by-name/') else 'content'}.{path.name}"
        self._fuse.point(f"{what}.before")
        done = self._store.put_file(key, path, **wanted)
        self._fuse.point(f"{what}.after")
        return done

    def put_bytes(self, key: str, data: bytes, **wanted: Any) -> Any:
        manifest = key.startswith("results/")
        if manifest:
            self._fuse.point("put.manifest.before")
        done = self._store.put_bytes(key, data, **wanted)
        if manifest:
            self._fuse.point("put.manifest.after")
        return done


def _around_query(fuse: Fuse, owner: Any, query: str, name: str) -> None:
    def before(session: Session, *_args: object, **_kwargs: object) -> None:
        if f"{name}.before" in POINTS:
            fuse.point(f"{name}.before")
        session.info["query"] = name

    around(owner, query, before, _nothing)


def _note_claims(fuse: Fuse, queue: Any) -> None:
    inner = queue.claim

    @wraps(inner)
    def call(*args: Any, **kwargs: Any) -> Any:
        claim = inner(*args, **kwargs)
        if claim is not None:
            fuse.in_hand = f"{claim.job_id}/{claim.fence}"
        return claim

    queue.claim = call


def _note_refusals(fuse: Fuse, owner: Any, query: str) -> None:
    """Whether a write was refused by the fence: the query says so by False, or by an error."""
    inner = getattr(owner, query)

    @wraps(inner)
    def call(session: Session, job_id: int, fence: int, *args: Any, **kwargs: Any) -> Any:
        attempt = f"{job_id}/{fence}"
        try:
            written = inner(session, job_id, fence, *args, **kwargs)
        except LeaseLost:
            fuse.note("refused", query, attempt)
            raise
        if written is False:
            fuse.note("refused", query, attempt)
        return written

    setattr(owner, query, call)


def _note_fencing(fuse: Fuse, held: Any, reason: Any) -> None:
    """That a worker told its own job to stop, since its lease is lost."""
    if reason.value == "lost":
        fuse.note("fenced", "lease", f"{held.job_id}/{held.fence}")


def _watch_commits(fuse: Fuse) -> None:
    def reached(session: Session, where: str) -> None:
        # A savepoint's end is no commit.
        if "query" in session.info and not session.in_nested_transaction():
            fuse.point(f"{session.info['query']}.{where}")

    event.listen(Session, "before_commit", lambda session: reached(session, "before-commit"))
    event.listen(Session, "after_commit", lambda session: reached(session, "after-commit"))


def _at(fuse: Fuse, name: str) -> Callable[..., None]:
    return lambda *_args, **_kwargs: fuse.point(name)


def _nothing(*_args: object, **_kwargs: object) -> None:
    """No point on this side."""
