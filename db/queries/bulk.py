"""One act on every job that a search means, in transactions of a few thousand jobs each.

So a hundred thousand jobs keep no lock for long, and what a crash interrupts is finished by asking again. How many
jobs it was is recorded with what was done to them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, sessionmaker

from db.models import Job
from db.queries import audit, control
from db.queries.audit import Actor
from db.queries.matching import count, matching
from db.search import Field, Search
from db.states import TERMINAL, JobState

_AT_ONCE = 5000


@dataclass(frozen=True)
class Done:
    """What an act has done so far."""

    changed: int = 0
    """Jobs that are in another state now."""
    requested: int = 0
    """Running jobs whose worker was asked to stop."""

    def __add__(self, other: "Done") -> "Done":
        return Done(self.changed + other.changed, self.requested + other.requested)


@dataclass(frozen=True)
class Act:
    """Something to be done to all jobs of a search that it can be done to."""

    name: str
    search: Search
    subject: str
    """The search, as it was asked for."""

    @property
    def states(self) -> frozenset[JobState]:
        """In which a job must be. What succeeded is done again only if the search says so itself."""
        if self.name == "cancel":
            return frozenset(JobState) - TERMINAL
        asked = self.search.values(Field.STATE)
        by_name = JobState.SUCCEEDED in asked or self.search.is_by_number
        return TERMINAL if by_name else TERMINAL - {JobState.SUCCEEDED}

    def count(self, session: Session) -> int:
        """How many jobs it would change now."""
        return count(session, self.search, self._applies)

    def run(self, sessions: sessionmaker[Session], actor: Actor) -> Iterator[Done]:
        """Do it; yields after each transaction what it came to so far."""
        done, act = Done(), None
        behind: int | None = 0
        while behind is not None:
            with sessions.begin() as session:
                step, behind = self.step(session, behind=behind)
                if act is None:
                    act = audit.write(session, actor, self.name, self.subject)
                audit.add_jobs(session, act, step.changed + step.requested)
            done += step
            yield done

    def step(self, session: Session, *, behind: int, up_to: int | None = None) -> tuple[Done, int | None]:
        """Do it to the next few thousand jobs behind this number; returns what it came to, and behind which job to go
        on: None, there are no more.
        """
        query = select(Job.id).where(*matching(self.search), self._applies, Job.id > behind)
        if up_to is not None:
            query = query.where(Job.id <= up_to)
        # One more than is done tells whether it goes on.
        job_ids = list(session.scalars(query.order_by(Job.id).limit(_AT_ONCE + 1)))
        more, job_ids = len(job_ids) > _AT_ONCE, job_ids[:_AT_ONCE]
        return self._do(session, job_ids), job_ids[-1] if more else None

    @property
    def _applies(self) -> ColumnElement[bool]:
        return Job.state.in_(self.states)

    def _do(self, session: Session, job_ids: list[int]) -> Done:
        if self.name == "cancel":
            cancelled = control.cancel(session, job_ids)
            return Done(len(cancelled.cancelled), len(cancelled.requested))
        return Done(len(control.requeue(session, job_ids)))


def retry(search: Search, subject: str) -> Act:
    """Queue again what has ended, with a clean slate."""
    return Act("retry", search, subject)


def cancel(search: Search, subject: str) -> Act:
    """Cancel what has not ended; what runs is asked to stop."""
    return Act("cancel", search, subject)
