"""Everything that can happen to jobs, in any order, by a clock that the test sets: workers, reapers, people, zombies.

The machine keeps what must be so in a few dictionaries, does what Hypothesis draws with the fleet's own statements, and
compares after each. SQLite, whose `strftime` is replaced by one that tells this machine's time.
"""

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Engine, event, select, text
from sqlalchemy.orm import Session, sessionmaker

from db import session as db_session
from db.errors import LeaseLost
from db.models import Attempt, Base, Job
from db.queries import attempts, control, dispatch, queue
from db.queries.queue import Claim
from db.queries.reap import reap
from db.records import ErrorInfo
from db.states import TERMINAL, AttemptOutcome, JobState
from tests.db import zoo

_LEASE = 90.0
_ERROR = ErrorInfo(kind="unsupported-model", message="no")
_GIVEN_BACK = (AttemptOutcome.RETRY, AttemptOutcome.CRASHED, AttemptOutcome.DRAINED)
_COMMITTED = ("succeeded", "reused")


class Clock:
    """Seconds since an epoch of its own; a database that is told of it has no other."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def install(self, connection: sqlite3.Connection) -> None:
        """Answer for this connection's `strftime`."""

        def strftime(form: str, _now: str, *modifiers: str) -> str:
            seconds = self.seconds + sum(float(modifier.split()[0]) for modifier in modifiers)
            at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
            # Of SQLite's letters, this one means seconds with their thousandths.
            return at.strftime(form.replace("%f", f"{at:%S}.{at.microsecond // 1000:03}"))

        connection.create_function("strftime", -1, strftime)


@contextmanager
def database(url: str) -> Iterator[None]:
    """Let machines use a SQLite database at `url` (empty or not), one after the other."""
    db_session.upgrade(url)
    engine = db_session.make_engine(url)
    event.listen(engine, "connect", lambda connection, _record: JobMachine.clock.install(connection))
    JobMachine.engine, JobMachine.steps, JobMachine.jobs = engine, 0, 0
    try:
        yield
    finally:
        engine.dispose()


@dataclass
class _Held:
    """An attempt as a worker remembers it, whether or not it still holds its lease."""

    claim: Claim
    until: float
    content: bool = False
    over: bool = field(default=False)


class JobMachine(RuleBasedStateMachine):
    """Up to five workers and their zombies; `steps` and `jobs` count over all examples."""

    engine: ClassVar[Engine]
    clock: ClassVar[Clock] = Clock()
    steps: ClassVar[int] = 0
    jobs: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.clock.seconds = 0.0
        self.sessions: sessionmaker[Session] = db_session.session_factory(self.engine)
        with self.engine.begin() as connection:
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())
        self.held: list[_Held] = []
        self.before: dict[int, JobState] = {}
        self.batch = 0
        self.requeued: dict[int, int] = {}

    # What the scheduler does.

    @initialize(number=st.integers(1, 3))
    def plan_first(self, number: int) -> None:
        self.batch = self._plan(number)

    def _plan(self, number: int) -> int:
        first = len(self.before)
        type(self).jobs += number
        return zoo.new_batch(self.sessions, [f"{first + more}.h5" for more in range(number)])

    @rule(
        duty=st.sampled_from(["plan", "dispatch", "reap", "nothing"]),
        seconds=st.sampled_from([0.0, 10.0, 50.0, 100.0, 400.0]),
    )
    def schedule(self, duty: str, seconds: float) -> None:
        self.clock.seconds += seconds
        if duty == "plan":
            self._plan(1)
        elif duty == "dispatch":
            self._dispatch()
        elif duty == "reap":
            self._reap()

    def _dispatch(self) -> None:
        with self.sessions.begin() as session:
            due = dispatch.due_for_dispatch(session, 3, 60)
            dispatch.mark_dispatched(session, [job.job_id for job in due])
        assert len(due) <= 3
        assert all(self.before[job.job_id] is JobState.QUEUED for job in due)

    def _reap(self) -> None:
        with self.sessions.begin() as session:
            reaped = {(found.job_id, found.fence) for found in reap(session)}
        expired = {
            (held.claim.job_id, held.claim.fence) for held in self._live() if held.until < self.clock.seconds
        }
        assert reaped == expired
        for held in self.held:
            held.over |= (held.claim.job_id, held.claim.fence) in reaped

    # What workers do, those included that were given up for dead.

    @rule(data=st.data(), worker=st.sampled_from(["w1", "w2", "w3", "w4", "w5"]))
    def claim(self, data: st.DataObject, worker: str) -> None:
        """A message may come for any job, and come twice."""
        self._claim(data.draw(st.sampled_from(sorted(self.before))), worker)

    def _claim(self, job_id: int, worker: str) -> None:
        with self.sessions.begin() as session:
            claim = queue.claim(session, job_id, worker, _LEASE)
        if claim is not None:
            assert not any(held.claim.job_id == job_id for held in self._live())
            self.held.append(_Held(claim, self.clock.seconds + _LEASE))

    @precondition(lambda self: self._live())
    @rule(data=st.data(), late=st.sampled_from([1.0, 1000.0]))
    def fall_silent(self, data: st.DataObject, late: float) -> None:
        """A lease runs out, and perhaps another worker gets the job; the silent one may yet try to write."""
        held = data.draw(st.sampled_from(self._live()))
        self.clock.seconds = max(self.clock.seconds, held.until + late)
        self._reap()
        self.clock.seconds += late
        self._claim(held.claim.job_id, "w6")

    @rule(
        data=st.data(),
        act=st.sampled_from(["beat", "read", "succeed", "fail", *_GIVEN_BACK]),
        alive=st.booleans(),
    )
    def write(self, data: st.DataObject, act: str, alive: bool) -> None:
        """Some attempt, dead or alive, writes."""
        if not self.held:
            return
        running = {held.claim.job_id for held in self._live()}
        # The most dangerous are those given up for dead whose job another one has by now.
        dead = [held for held in self.held if held.over and held.claim.job_id in running]
        held = data.draw(st.sampled_from((self._live() if alive else dead) or self.held))
        attempt = (held.claim.job_id, held.claim.fence)
        if act == "beat":
            self._beat(held)
        elif act == "read":
            held.content |= self._written(held, lambda session: self._read(session, held, data))
        elif act == "succeed":
            held.content = held.content or self._written(
                held, lambda session: self._read(session, held, data)
            )
            if not held.content:
                return
            self._end(
                held,
                lambda session: queue.finish(
                    session,
                    *attempt,
                    AttemptOutcome.SUCCEEDED,
                    state=JobState.SUCCEEDED,
                    manifest_sha256="m",
                ),
            )
        elif act == "fail":
            self._end(
                held,
                lambda session: queue.finish(
                    session, *attempt, AttemptOutcome.FAILED, state=JobState.FAILED, error=_ERROR
                ),
            )
        elif act in _GIVEN_BACK:
            delay = data.draw(st.sampled_from([0.0, 5.0, 300.0]))
            self._end(
                held,
                lambda session: queue.release(session, *attempt, outcome=AttemptOutcome(act), delay_s=delay),
            )

    def _beat(self, held: _Held) -> None:
        with self.sessions.begin() as session:
            beat = queue.heartbeat(session, held.claim.job_id, held.claim.fence, _LEASE)
        assert beat.alive is not held.over
        if beat.alive:
            held.until = self.clock.seconds + _LEASE

    def _read(self, session: Session, held: _Held, data: st.DataObject) -> bool:
        content = data.draw(st.sampled_from("abc"))
        queue.set_content(session, held.claim.job_id, held.claim.fence, f"sha-{content}", f"key-{content}")
        return True

    # What people ask for.

    @rule(data=st.data(), wish=st.sampled_from(["cancel", "hold", "resume", "requeue"]))
    def ask(self, data: st.DataObject, wish: str) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.before)))
        was = self.before[job_id]
        with self.sessions.begin() as session:
            if wish == "cancel":
                done = control.cancel(session, [job_id])
                assert not (done.cancelled and was is JobState.RUNNING)
            elif wish == "requeue":
                assert bool(control.requeue(session, [job_id])) is (was in TERMINAL)
            else:
                (control.hold if wish == "hold" else control.resume)(session, self.batch)
        if wish == "requeue" and was in TERMINAL:
            self.requeued[job_id] = self.requeued.get(job_id, 0) + 1
            self.before[job_id] = JobState.QUEUED

    # What must be so whatever was drawn.

    @invariant()
    def every_row_is_right(self) -> None:
        type(self).steps += 1
        with self.sessions() as session:
            jobs = session.scalars(select(Job)).all()
            tries: dict[int, list[Attempt]] = {}
            for attempt in session.scalars(select(Attempt).order_by(Attempt.job_id, Attempt.fence)):
                tries.setdefault(attempt.job_id, []).append(attempt)
        for job in jobs:
            self._check(job, tries.get(job.id, []))
        made = [(job.recipe_id, job.content_key) for job in jobs if _made_its_result(job)]
        assert len(made) == len(set(made)), "one content has two results"
        self.before = {job.id: job.state for job in jobs}

    def _check(self, job: Job, tries: list[Attempt]) -> None:
        was = self.before.get(job.id, job.state)
        if was in TERMINAL:
            assert job.state is was, f"left {was} for {job.state} by itself"
        live = [held for held in self._live() if held.claim.job_id == job.id]
        assert len(live) == (job.state is JobState.RUNNING), "running is to be held by exactly one attempt"
        assert (job.lease_until is not None) == (job.state is JobState.RUNNING)
        assert [attempt.fence for attempt in tries] == [*range(1, job.fence + 1)], "an attempt a fence"
        opened = [attempt.fence for attempt in tries if attempt.ended_at is None]
        assert opened == ([job.fence] if job.state is JobState.RUNNING else [])
        if live:
            assert live[0].claim.fence == job.fence
        wins = [attempt.fence for attempt in tries if attempt.outcome in _COMMITTED]
        assert len(wins) <= 1 + self.requeued.get(job.id, 0)
        if job.state is JobState.SUCCEEDED:
            assert wins[-1:] == [job.fence], "a success is that of the last attempt"
        assert job.lost_count <= attempts.MAX_LOST
        if job.state is JobState.QUEUED:
            assert job.lost_count < attempts.MAX_LOST
        assert (job.finished_at is not None) == (job.state in TERMINAL)

    def _live(self) -> list[_Held]:
        return [held for held in self.held if not held.over]

    def _end(self, held: _Held, write: Callable[[Session], bool]) -> None:
        held.over |= self._written(held, write)

    def _written(self, held: _Held, write: Callable[[Session], Any]) -> bool:
        """Write in the name of an attempt; whoever has lost the lease, or ended, must write nothing."""
        try:
            with self.sessions.begin() as session:
                written = bool(write(session))
        except LeaseLost:
            written = False
        assert written is not held.over
        return written


def _made_its_result(job: Job) -> bool:
    return job.state is JobState.SUCCEEDED and job.reused_from is None
