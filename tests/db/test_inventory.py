from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from db.errors import UnknownBatch
from db.models import Batch, BatchJob, Job, Source
from db.queries import control, inventory
from db.records import ErrorInfo
from db.states import BatchState, JobState
from tests.db import zoo


def count(sessions: sessionmaker[Session], table: type[Batch | BatchJob | Job | Source]) -> int:
    with sessions() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def plan(sessions: sessionmaker[Session], batch_id: int, found: list[zoo.Listed]) -> inventory.Planned:
    with sessions.begin() as session:
        return inventory.plan(session, batch_id, found)


def open_batch(sessions: sessionmaker[Session]) -> int:
    with sessions.begin() as session:
        return inventory.create_batch(
            session, source_url="/models", dest_url="/bundles", converter_version="1", options={}
        )


def test_planning_keeps_what_the_store_said(sessions: sessionmaker[Session]) -> None:
    moment = datetime(2026, 3, 4, 5, 6, 7, 123456, UTC)
    zoo.new_batch(sessions, [zoo.Listed("sub/ä.h5", size=3 << 30, etag="e9", last_modified=moment)])
    with sessions() as session:
        source = session.scalars(select(Source)).one()
    assert (source.store_url, source.key, source.size, source.etag) == ("/models", "sub/ä.h5", 3 << 30, "e9")
    assert source.last_modified == moment


def test_planning_again_makes_nothing_new(sessions: sessionmaker[Session]) -> None:
    found = [zoo.Listed(f"{number}.h5") for number in range(5)]
    assert plan(sessions, open_batch(sessions), found) == inventory.Planned(new=5, known=0)
    assert plan(sessions, open_batch(sessions), found) == inventory.Planned(new=0, known=5)
    assert (count(sessions, Source), count(sessions, Job)) == (5, 5)
    assert count(sessions, BatchJob) == 10


def test_more_than_one_statement_can_hold(sessions: sessionmaker[Session]) -> None:
    """SQLite binds 32,766 parameters at most, PostgreSQL 65,535; a source has seven."""
    found = [zoo.Listed(f"{number:05}.h5") for number in range(12_000)]
    batch_id = open_batch(sessions)
    assert plan(sessions, batch_id, found) == inventory.Planned(new=12_000, known=0)
    assert plan(sessions, batch_id, found) == inventory.Planned(new=0, known=12_000)
    assert count(sessions, BatchJob) == 12_000
    with sessions() as session:
        batch = session.get_one(Batch, batch_id)
    assert (batch.jobs_new, batch.listed_after) == (12_000, "11999.h5")


def test_an_object_listed_twice_at_once_is_one(sessions: sessionmaker[Session]) -> None:
    twice = [zoo.Listed("a.h5"), zoo.Listed("a.h5"), zoo.Listed("b.h5")]
    assert plan(sessions, open_batch(sessions), twice[1:]).new == 2
    assert plan(sessions, open_batch(sessions), [*twice, zoo.Listed("c.h5")]).new == 1
    assert (count(sessions, Source), count(sessions, Job), count(sessions, BatchJob)) == (3, 3, 5)


def test_nothing_found_is_a_plan_too(sessions: sessionmaker[Session]) -> None:
    assert plan(sessions, open_batch(sessions), []) == inventory.Planned(new=0, known=0)


def test_a_finished_job_is_known_and_stays_as_it_is(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, ["good.h5", "bad.h5"])
    jobs = zoo.job_ids(sessions)
    zoo.succeed(sessions, zoo.claim(sessions, jobs["good.h5"]))
    zoo.fail(sessions, zoo.claim(sessions, jobs["bad.h5"]), ErrorInfo(kind="not-hdf5", message="bad.h5"))
    zoo.new_batch(sessions, ["good.h5", "bad.h5"])
    assert zoo.job_ids(sessions) == jobs
    assert zoo.state_of(sessions, jobs["good.h5"]) is JobState.SUCCEEDED
    assert zoo.state_of(sessions, jobs["bad.h5"]) is JobState.FAILED


@pytest.mark.parametrize(
    "changed",
    [zoo.Listed("a.h5", etag="e2"), zoo.Listed("a.h5", size=101), zoo.Listed("a.h5", version_id="v2")],
)
def test_a_changed_file_is_a_new_job(sessions: sessionmaker[Session], changed: zoo.Listed) -> None:
    zoo.new_batch(sessions, ["a.h5"])
    batch_id = zoo.new_batch(sessions, [changed])
    assert (count(sessions, Source), count(sessions, Job)) == (2, 2)
    with sessions() as session:
        (job_id,) = session.scalars(select(BatchJob.job_id).where(BatchJob.batch_id == batch_id))
    assert zoo.job_ids(sessions)["a.h5"] == job_id


@pytest.mark.parametrize(
    "other", [{"dest": "/elsewhere"}, {"version": "2"}, {"options": {"io_layout": "keras"}}]
)
def test_another_recipe_is_other_work_on_the_same_source(
    sessions: sessionmaker[Session], other: dict[str, str]
) -> None:
    zoo.new_batch(sessions, ["a.h5"])
    zoo.new_batch(sessions, ["a.h5"], **other)  # type: ignore[arg-type]  # one of three keywords
    assert (count(sessions, Source), count(sessions, Job)) == (1, 2)


def test_the_same_key_in_another_store_is_another_source(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, ["a.h5"])
    zoo.new_batch(sessions, ["a.h5"], source="s3://bucket")
    assert (count(sessions, Source), count(sessions, Job)) == (2, 2)


def test_a_batch_is_closed_when_all_of_it_is_terminal(sessions: sessionmaker[Session]) -> None:
    batch_id = open_batch(sessions)
    plan(sessions, batch_id, [zoo.Listed("a.h5")])

    def close() -> bool:
        with sessions.begin() as session:
            return inventory.close_batch(session, batch_id)

    zoo.succeed(sessions, zoo.claim(sessions, zoo.job_ids(sessions)["a.h5"]))
    assert not close(), "more may still be listed"
    plan(sessions, batch_id, [zoo.Listed("b.h5")])
    with sessions.begin() as session:
        inventory.end_planning(session, batch_id)
    assert not close(), "b.h5 is queued"
    zoo.succeed(sessions, zoo.claim(sessions, zoo.job_ids(sessions)["b.h5"]))
    assert close()
    assert close(), "and stays closed"
    with sessions() as session:
        batch = session.get_one(Batch, batch_id)
    assert batch.state is BatchState.FINISHED
    assert batch.finished_at is not None


def test_an_empty_batch_is_finished_at_once(sessions: sessionmaker[Session]) -> None:
    batch_id = zoo.new_batch(sessions)
    with sessions.begin() as session:
        assert inventory.close_batch(session, batch_id)


def test_jobs_found_for_a_paused_batch_wait_with_it(sessions: sessionmaker[Session]) -> None:
    batch_id = open_batch(sessions)
    with sessions.begin() as session:
        control.hold(session, batch_id)
    plan(sessions, batch_id, [zoo.Listed("a.h5")])
    assert zoo.state_of(sessions, zoo.job_ids(sessions)["a.h5"]) is JobState.HELD


def test_planning_into_no_batch_is_refused(sessions: sessionmaker[Session]) -> None:
    with pytest.raises(UnknownBatch, match="no batch 77"), sessions.begin() as session:
        inventory.plan(session, 77, [])
