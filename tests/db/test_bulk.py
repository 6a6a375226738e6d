"""One act on all that a search means: exactly those, counted before, recorded with who did it."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from db.models import Event
from db.queries import audit, bulk
from db.queries.audit import Actor
from db.records import ErrorInfo, Reason
from db.search import parse
from db.states import JobState
from tests.db import zoo

ANNA = Actor("anna@desk", "command")


@pytest.fixture
def jobs(sessions: sessionmaker[Session]) -> dict[str, int]:
    """Two that failed for an LSTM, one for another reason, one done, one at work, one waiting."""
    zoo.new_batch(sessions, ["lstm1.h5", "lstm2.h5", "short.h5", "done.h5", "runs.h5", "waits.h5"])
    ids = zoo.job_ids(sessions)
    for name in ("lstm1.h5", "lstm2.h5"):
        reason = Reason(kind="unsupported-layer", subject="LSTM", message="no", layer="l")
        error = ErrorInfo(kind="unsupported-model", message="LSTM", reasons=(reason,))
        zoo.fail(sessions, zoo.claim(sessions, ids[name]), error)
    zoo.fail(sessions, zoo.claim(sessions, ids["short.h5"]), ErrorInfo(kind="truncated", message="short"))
    zoo.succeed(sessions, zoo.claim(sessions, ids["done.h5"]))
    zoo.claim(sessions, ids["runs.h5"])
    return ids


def states(sessions: sessionmaker[Session], jobs: dict[str, int]) -> dict[str, str]:
    return {name: str(zoo.state_of(sessions, job_id)) for name, job_id in jobs.items()}


def run(sessions: sessionmaker[Session], act: bulk.Act) -> bulk.Done:
    *_, done = act.run(sessions, ANNA)
    return done


def test_retry_takes_what_the_search_means_and_the_count_says_how_many(
    sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    act = bulk.retry(parse("layer:LSTM"), "layer:LSTM")
    with sessions() as session:
        assert act.count(session) == 2
    before = states(sessions, jobs)
    assert run(sessions, act) == bulk.Done(changed=2)
    assert states(sessions, jobs) == {**before, "lstm1.h5": "queued", "lstm2.h5": "queued"}
    with sessions() as session:
        assert act.count(session) == 0
        (row,) = audit.list_audit(session)
        requeued = session.scalars(select(Event.job_id).where(Event.type == "requeued")).all()
    assert (row.actor, row.via, row.action, row.subject, row.jobs) == (
        "anna@desk", "command", "retry", "layer:LSTM", 2,
    )  # fmt: skip
    assert set(requeued) == {jobs["lstm1.h5"], jobs["lstm2.h5"]}


@pytest.mark.parametrize(("text", "again"), [("key:.h5", False), ("key:.h5 state:succeeded", True)])
def test_what_succeeded_is_done_again_only_where_the_search_says_so(
    sessions: sessionmaker[Session], jobs: dict[str, int], text: str, again: bool
) -> None:
    run(sessions, bulk.retry(parse(text), text))
    assert (zoo.state_of(sessions, jobs["done.h5"]) is JobState.QUEUED) is again
    assert (zoo.state_of(sessions, jobs["short.h5"]) is JobState.QUEUED) is not again


def test_a_job_named_by_its_number_is_done_again_whatever_became_of_it(
    sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    assert run(sessions, bulk.retry(parse(str(jobs["done.h5"])), "")) == bulk.Done(changed=1)


def test_cancel_ends_what_waits_and_asks_what_runs(
    sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    act = bulk.cancel(parse(""), "all")
    with sessions() as session:
        assert act.count(session) == 2
    assert run(sessions, act) == bulk.Done(changed=1, requested=1)
    assert zoo.state_of(sessions, jobs["waits.h5"]) is JobState.CANCELLED
    assert zoo.state_of(sessions, jobs["done.h5"]) is JobState.SUCCEEDED


def test_more_than_one_transaction_is_still_one_act(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_AT_ONCE", 40)
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(100)])
    steps = [done.changed for done in bulk.cancel(parse("-key:99.h5"), "-key:99.h5").run(sessions, ANNA)]
    assert steps == [40, 80, 99]
    with sessions() as session:
        (row,) = audit.list_audit(session)
    assert row.jobs == 99


def test_an_act_on_nothing_is_recorded_too(sessions: sessionmaker[Session]) -> None:
    assert run(sessions, bulk.retry(parse("state:failed"), "state:failed")) == bulk.Done()
    with sessions() as session:
        assert [row.jobs for row in audit.list_audit(session)] == [0]
