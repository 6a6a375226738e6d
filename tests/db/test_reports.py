import pytest
from sqlalchemy.orm import Session, sessionmaker

from db.queries import control, job_detail, jobs, queue, reports
from db.records import ArtifactInfo, ErrorInfo, Reason
from db.search import parse
from db.states import TERMINAL, AttemptOutcome, BatchState, JobState
from tests.db import zoo


def unsupported(*layers: str) -> ErrorInfo:
    reasons = tuple(
        Reason(kind="unsupported-layer", subject=layer, layer=f"my_{layer}", message=f"no rule for {layer}")
        for layer in layers
    )
    return ErrorInfo(kind="unsupported-model", message=f"{len(layers)} layers", reasons=reasons)


@pytest.fixture
def batch_id(sessions: sessionmaker[Session]) -> int:
    """Eight jobs, in every state a batch has seen after a while."""
    keys = ["ok.h5", "copy.h5", "bad1.h5", "bad2.h5", "worse.h5", "broken.h5", "runs.h5", "Waits_100%.h5"]
    batch_id = zoo.new_batch(sessions, keys)
    ids = zoo.job_ids(sessions)
    zoo.succeed(sessions, zoo.claim(sessions, ids["ok.h5"]), content="same", structure_error=2e-12)
    zoo.succeed(sessions, zoo.claim(sessions, ids["copy.h5"]), content="same", structure_error=1e-15)
    zoo.fail(sessions, zoo.claim(sessions, ids["bad1.h5"]), unsupported("Foo"))
    zoo.fail(sessions, zoo.claim(sessions, ids["bad2.h5"]), unsupported("Foo", "Foo"))
    zoo.fail(sessions, zoo.claim(sessions, ids["worse.h5"]), unsupported("Bar", "Foo"))
    zoo.fail(sessions, zoo.claim(sessions, ids["broken.h5"]), ErrorInfo(kind="not-hdf5", message="broken"))
    claim = zoo.claim(sessions, ids["runs.h5"], "w9")
    with sessions.begin() as session:
        queue.heartbeat(session, claim.job_id, claim.fence, zoo.LEASE, stage="verify", progress=0.25)
    return batch_id


def test_batch_summary(sessions: sessionmaker[Session], batch_id: int) -> None:
    with sessions() as session:
        summary = reports.batch_summary(session, batch_id)
    assert summary is not None
    assert (summary.state, summary.source_url, summary.dest_url) == (
        BatchState.RUNNING,
        "/models",
        "/bundles",
    )
    assert {state: count for state, count in summary.states.items() if count} == {
        JobState.SUCCEEDED: 2,
        JobState.FAILED: 4,
        JobState.RUNNING: 1,
        JobState.QUEUED: 1,
    }
    assert (summary.total, summary.terminal, summary.reused, summary.jobs_new) == (8, 6, 1, 8)
    assert summary.errors == (
        reports.ErrorCount(state=JobState.FAILED, kind="unsupported-model", jobs=3, example_key="bad1.h5"),
        reports.ErrorCount(state=JobState.FAILED, kind="not-hdf5", jobs=1, example_key="broken.h5"),
    )
    # By jobs, not by layers: bad2.h5 has two of Foo.
    assert summary.reasons == (
        reports.ReasonCount(kind="unsupported-layer", subject="Foo", jobs=3),
        reports.ReasonCount(kind="unsupported-layer", subject="Bar", jobs=1),
    )
    assert summary.worst_structure_error == 2e-12
    assert summary.worst_deployment_error == 1e-7


def test_a_summary_counts_only_its_own_batch(sessions: sessionmaker[Session], batch_id: int) -> None:
    other = zoo.new_batch(sessions, ["ok.h5", "new.h5"])
    with sessions() as session:
        summary = reports.batch_summary(session, other)
        assert summary is not None
        assert (summary.total, summary.jobs_new, summary.states[JobState.SUCCEEDED]) == (2, 1, 1)
        assert sum(reports.count_states(session).values()) == 9
        assert reports.latest_batches(session) == [other, batch_id]


def test_a_transient_error_is_not_reported_as_a_refusal(sessions: sessionmaker[Session]) -> None:
    batch_id = zoo.new_batch(sessions, ["a.h5"])
    claim = zoo.claim(sessions, zoo.job_ids(sessions)["a.h5"])
    with sessions.begin() as session:
        queue.release(
            session,
            claim.job_id,
            claim.fence,
            outcome=AttemptOutcome.RETRY,
            error=ErrorInfo(kind="store-unavailable", message="later"),
        )
    with sessions() as session:
        summary = reports.batch_summary(session, batch_id)
        (row,) = jobs.list_jobs(session).jobs
    assert summary is not None
    assert summary.errors == ()
    assert (row.state, row.error_kind) == (JobState.QUEUED, "store-unavailable")


def test_no_such_batch_and_no_such_job(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        assert reports.batch_summary(session, 99) is None
        assert job_detail.job_detail(session, 99) is None
        assert jobs.list_jobs(session) == jobs.Page([], None)


@pytest.mark.parametrize("limit", [1, 3, 8, 100])
def test_pages_are_complete_and_do_not_overlap(
    sessions: sessionmaker[Session], batch_id: int, limit: int
) -> None:
    seen: list[int] = []
    after: int | None = None
    while True:
        with sessions() as session:
            page = jobs.list_jobs(session, parse(f"batch:{batch_id}"), after=after, limit=limit)
        assert len(page.jobs) <= limit
        seen += [row.id for row in page.jobs]
        after = page.next_after
        if after is None:
            break
    assert seen == sorted(zoo.job_ids(sessions).values())


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ("state:running", {"runs.h5"}),
        ("state:running,queued", {"runs.h5", "Waits_100%.h5"}),
        ("error:not-hdf5", {"broken.h5"}),
        ("key:BAD", {"bad1.h5", "bad2.h5"}),
        ("key:%", {"Waits_100%.h5"}),
        ("key:_", {"Waits_100%.h5"}),
        ("key:bad state:running", set()),
        ("state:running state:queued", {"runs.h5", "Waits_100%.h5"}),
        ("state:failed -error:hdf5", {"bad1.h5", "bad2.h5", "worse.h5"}),
        ("-error:unsupported -state:queued", {"ok.h5", "copy.h5", "broken.h5", "runs.h5"}),
        ("layer:foo", {"bad1.h5", "bad2.h5", "worse.h5"}),
        ("layer:Foo layer:Bar", {"worse.h5"}),
        ("layer:Fo", set()),
        ("key:bad?.h5", {"bad1.h5", "bad2.h5"}),
        ("key:*100%.H5", {"Waits_100%.h5"}),
        ("key:ok*", {"ok.h5"}),
        ("bad1 unsupported", set()),
        ("worker:w9", {"runs.h5"}),
        ("converter:1 state:running", {"runs.h5"}),
        ("converter:2", set()),
        ("created-after:1h state:running", {"runs.h5"}),
        ("created-before:1h", set()),
        ("finished-after:2026-01-01 error:hdf5", {"broken.h5"}),
        ("-finished-after:2026-01-01", {"runs.h5", "Waits_100%.h5"}),
        ("batch:999", set()),
    ],
)
def test_filters_narrow(sessions: sessionmaker[Session], batch_id: int, wanted: str, keys: set[str]) -> None:
    with sessions() as session:
        assert {row.key for row in jobs.list_jobs(session, parse(wanted)).jobs} == keys


def test_a_listed_job_shows_its_parity_and_its_error(sessions: sessionmaker[Session], batch_id: int) -> None:
    with sessions() as session:
        rows = {row.key: row for row in jobs.list_jobs(session).jobs}
    good, bad = rows["ok.h5"], rows["bad1.h5"]
    assert (good.structure_error, good.deployment_error, good.error_kind) == (2e-12, 1e-7, None)
    assert (bad.structure_error, bad.error_kind, bad.attempts) == (None, "unsupported-model", 1)
    assert rows["copy.h5"].reused_from == good.id


def test_running_shows_what_each_worker_does(sessions: sessionmaker[Session], batch_id: int) -> None:
    with sessions() as session:
        (row,) = jobs.running(session)
    assert (row.worker_id, row.key, row.stage, row.progress) == ("w9", "runs.h5", "verify", 0.25)


def test_throughput_counts_what_ended_lately(sessions: sessionmaker[Session], batch_id: int) -> None:
    with sessions() as session:
        assert reports.throughput(session, seconds=60) == {
            AttemptOutcome.SUCCEEDED: 2,
            AttemptOutcome.FAILED: 4,
        }
        assert reports.throughput(session, seconds=-60) == {}


def test_job_detail_tells_the_whole_story(sessions: sessionmaker[Session]) -> None:
    first = zoo.new_batch(sessions, [zoo.Listed("a.h5", size=9)], options={"io_layout": "keras"})
    second = zoo.new_batch(sessions, [zoo.Listed("a.h5", size=9)], options={"io_layout": "keras"})
    job_id = zoo.job_ids(sessions)["a.h5"]
    zoo.fail(sessions, zoo.claim(sessions, job_id, "w1"), unsupported("Foo", "Bar"))
    with sessions() as session:
        failed = job_detail.job_detail(session, job_id)
    assert failed is not None
    assert [reason.subject for reason in failed.reasons] == ["Foo", "Bar"]
    assert failed.reasons[0].layer == "my_Foo"

    with sessions.begin() as session:
        control.requeue(session, [job_id])
    claim = zoo.claim(sessions, job_id, "w2")
    with sessions.begin() as session:
        queue.set_content(session, job_id, claim.fence, "sha", "ck")
        queue.finish(
            session,
            job_id,
            claim.fence,
            AttemptOutcome.SUCCEEDED,
            state=JobState.SUCCEEDED,
            manifest_sha256="m",
            artifacts=[ArtifactInfo(name="model.py", sha256="aa", size=1, key="cas/aa")],
        )
    with sessions() as session:
        detail = job_detail.job_detail(session, job_id)
    assert detail is not None
    assert detail.state in TERMINAL
    assert (detail.key, detail.size, detail.sha256, detail.content_key) == ("a.h5", 9, "sha", "ck")
    assert (detail.dest_url, detail.options) == ("/bundles", {"io_layout": "keras"})
    assert detail.batches == (first, second)
    assert detail.reasons == ()
    assert [(attempt.fence, attempt.worker_id, attempt.outcome) for attempt in detail.attempts] == [
        (1, "w1", AttemptOutcome.FAILED),
        (2, "w2", AttemptOutcome.SUCCEEDED),
    ]
    assert detail.attempts[0].error_kind == "unsupported-model"
    assert [event.type for event in detail.events] == [
        "claimed",
        "failed",
        "requeued",
        "claimed",
        "succeeded",
    ]
    assert detail.artifacts == (ArtifactInfo(name="model.py", sha256="aa", size=1, key="cas/aa"),)


def test_job_detail_carries_the_parity_report(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    zoo.succeed(sessions, zoo.claim(sessions, job_id))
    with sessions() as session:
        detail = job_detail.job_detail(session, job_id)
    assert detail is not None
    (parity,) = detail.parity
    assert (parity.fence, parity.passed, parity.device, parity.report) == (1, True, "cpu", {"cases": 3})
