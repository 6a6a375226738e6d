import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from db.models import Event, Job
from db.queries.transition import move
from db.states import TERMINAL, TRANSITIONS, JobState, origins
from tests.db import zoo


def test_every_state_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(JobState)


def test_a_terminal_state_leads_only_back_to_the_queue() -> None:
    for state in TERMINAL:
        assert TRANSITIONS[state] == {JobState.QUEUED}


def test_only_a_running_job_succeeds() -> None:
    assert origins(JobState.SUCCEEDED) == {JobState.RUNNING}


@pytest.mark.parametrize("origin", JobState)
def test_a_job_moves_along_the_table_and_nowhere_else(
    sessions: sessionmaker[Session], origin: JobState
) -> None:
    job_id = zoo.new_job(sessions)
    for target in JobState:
        with sessions.begin() as session:
            session.execute(update(Job).where(Job.id == job_id).values(state=origin))
        with sessions.begin() as session:
            moved = move(session, target, Job.id == job_id, event="tried", data={"target": target})
        allowed = target in TRANSITIONS[origin]
        assert moved == ([job_id] if allowed else [])
        assert zoo.state_of(sessions, job_id) is (target if allowed else origin)
    with sessions() as session:
        told = session.scalars(select(Event.data).where(Event.type == "tried")).all()
    assert {event["target"] for event in told} == TRANSITIONS[origin]
