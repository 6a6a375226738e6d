"""What the processes of an attempt say while it runs, until its whole log is stored."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from db.models import Attempt
from db.records import LogTail


def values(tail: LogTail | None) -> dict[str, Any]:
    """The columns of an attempt; None: none of them changes."""
    return {} if tail is None else {"log_tail": tail.text, "log_said": tail.said}


def tell(session: Session, job_id: int, fence: int, tail: LogTail) -> bool:
    """Writes the newest end of a log; False: the attempt has ended, and nothing is written.

    Whoever takes a job from its worker ends the attempt in the same transaction, so that is fence enough; and no index
    holds any of this, so a write touches one row of one table.
    """
    written = session.scalars(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.fence == fence, Attempt.ended_at.is_(None))
        .values(**values(tail))
        .returning(Attempt.fence)
        .execution_options(synchronize_session=False)
    )
    return written.one_or_none() is not None


def lengths(session: Session, attempts: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """How many characters these attempts (job and fence) have said; those whose words are here."""
    rows = session.execute(
        select(Attempt.job_id, Attempt.fence, Attempt.log_said).where(
            tuple_(Attempt.job_id, Attempt.fence).in_(attempts), Attempt.log_said.is_not(None)
        )
    )
    return {(row.job_id, row.fence): row.log_said for row in rows}


def tails(session: Session, attempts: Collection[tuple[int, int]]) -> dict[tuple[int, int], LogTail]:
    """The ends of the logs of these attempts; those whose words are here."""
    rows = session.execute(
        select(Attempt.job_id, Attempt.fence, Attempt.log_tail, Attempt.log_said).where(
            tuple_(Attempt.job_id, Attempt.fence).in_(attempts), Attempt.log_said.is_not(None)
        )
    )
    return {(row.job_id, row.fence): LogTail(row.log_tail or "", row.log_said) for row in rows}
