"""The end of a log that is not stored yet: who may write it, and when it goes."""

from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.models import Attempt
from db.queries import live_log, published, queue, reap, retention
from db.queries.published import Log
from db.records import ErrorInfo, LogTail, Usage
from db.states import AttemptOutcome
from tests.db import zoo


def log_of(sessions: sessionmaker[Session], job_id: int, fence: int) -> Log:
    with sessions() as session:
        found = published.log_of(session, job_id, fence)
    assert found is not None
    return found


def tell(sessions: sessionmaker[Session], job_id: int, fence: int, tail: LogTail) -> bool:
    with sessions.begin() as session:
        return live_log.tell(session, job_id, fence, tail)


def test_it_comes_by_itself_or_with_a_heartbeat(sessions: sessionmaker[Session]) -> None:
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    at = (claim.job_id, claim.fence)
    assert log_of(sessions, *at).tail is None
    assert tell(sessions, *at, LogTail("one\0\n", 5))
    assert log_of(sessions, *at).tail == LogTail("one\N{REPLACEMENT CHARACTER}\n", 5)
    for tail in (LogTail("two\n", 8), None):  # a beat with nothing new changes nothing
        with sessions.begin() as session:
            assert queue.heartbeat(session, *at, zoo.LEASE, stage="verify", log=tail).alive
        assert log_of(sessions, *at).tail == LogTail("two\n", 8)
    with sessions() as session:
        assert live_log.lengths(session, {at, (999, 1)}) == {at: 8}


def test_an_attempt_that_was_given_up_for_dead_tells_no_more_and_its_last_words_stay(
    sessions: sessionmaker[Session],
) -> None:
    job_id = zoo.new_job(sessions)
    zombie = zoo.claim(sessions, job_id)
    assert tell(sessions, job_id, zombie.fence, LogTail("last words\n", 11))
    zoo.expire_lease(sessions, job_id)
    with sessions.begin() as session:
        assert len(reap.reap(session)) == 1
    zoo.make_due(sessions, job_id)
    heir = zoo.claim(sessions, job_id)
    assert not tell(sessions, job_id, zombie.fence, LogTail("wrong\n", 17))
    with sessions.begin() as session:
        beat = queue.heartbeat(session, job_id, zombie.fence, zoo.LEASE, log=LogTail("wrong\n", 17))
    assert not beat.alive
    lost = log_of(sessions, job_id, zombie.fence)
    assert (lost.tail, lost.ended) == (LogTail("last words\n", 11), True)
    assert log_of(sessions, job_id, heir.fence).tail is None
    with sessions.begin() as session:
        session.execute(update(Attempt).values(ended_at=now(-100.0)))
        assert retention.forget_tails(session, older_than_s=50, limit=9) == 1
        assert retention.forget_tails(session, older_than_s=50, limit=9) == 0
    assert log_of(sessions, job_id, zombie.fence).tail is None


def test_it_goes_when_the_whole_is_stored(sessions: sessionmaker[Session]) -> None:
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    assert tell(sessions, claim.job_id, claim.fence, LogTail("one\n", 4))
    with sessions.begin() as session:
        assert queue.release(
            session,
            claim.job_id,
            claim.fence,
            outcome=AttemptOutcome.RETRY,
            error=ErrorInfo(kind="k", message="m"),
            usage=Usage(log_key="logs/1/1.log"),
        )
    found = log_of(sessions, claim.job_id, claim.fence)
    assert (found.key, found.tail, found.ended) == ("logs/1/1.log", None, True)
