"""A small size of the model of all that can happen to jobs; `make chaos` runs it at the size of docs/faults.md."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import ColumnElement

from db.models import Job
from db.queries import queue
from db.queries.predicates import in_state
from db.states import JobState
from tests.db import job_machine
from tests.db.job_machine import JobMachine

_QUICK = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[*HealthCheck],
    derandomize=True,
    phases=[Phase.generate],
)


def run(folder: Path) -> None:
    with job_machine.database(f"sqlite:///{folder / 'jobs.db'}"):
        run_state_machine_as_test(JobMachine, settings=_QUICK)


def test_nothing_that_can_happen_breaks_a_job(tmp_path: Path) -> None:
    run(tmp_path)
    assert JobMachine.steps > 500
    assert JobMachine.jobs > 40


def test_a_write_without_its_fence_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine can fail: here a worker that lost its lease may write as long as anybody has the job."""

    def unfenced(job_id: int, _fence: int) -> tuple[ColumnElement[bool], ...]:
        return Job.id == job_id, in_state(JobState.RUNNING)

    monkeypatch.setattr(queue, "held_by", unfenced)
    with pytest.raises(AssertionError):
        run(tmp_path)
