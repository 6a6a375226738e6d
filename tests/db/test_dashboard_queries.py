"""What the dashboard reads: every job once on its pages, each cause once, and counts that add up."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.estimate import time_left
from db.models import Attempt, Job
from db.queries import batch_pages, coverage, failures, overview
from db.queries.job_pages import JobPage, Place, Sort, page_of_jobs, total_of
from db.records import ErrorInfo, Reason
from db.search import parse
from db.states import AttemptOutcome, JobState
from tests.db import zoo


def refused(*subjects: str) -> ErrorInfo:
    reasons = tuple(
        Reason(kind="unsupported-layer", subject=subject, message="no", layer="l") for subject in subjects
    )
    return ErrorInfo(kind="unsupported-model", message=f"layer '{subjects[0]}'", reasons=reasons)


@pytest.fixture
def fleet(sessions: sessionmaker[Session]) -> dict[str, int]:
    """Two block on a Foo alone, one on Foo and Bar, one is short, two are done, one waits."""
    names = ["foo1.h5", "foo2.h5", "both.h5", "short.h5", "done1.h5", "done2.h5", "waits.h5"]
    zoo.new_batch(sessions, names)
    ids = zoo.job_ids(sessions)
    for name, error in {
        "foo1.h5": refused("Foo"),
        "foo2.h5": refused("Foo mode", "Foo"),
        "both.h5": refused("Foo", "Bar"),
        "short.h5": ErrorInfo(kind="truncated", message="ends at byte 17"),
    }.items():
        zoo.fail(sessions, zoo.claim(sessions, ids[name]), error)
    zoo.succeed(sessions, zoo.claim(sessions, ids["done1.h5"]), structure_error=3e-12)
    zoo.succeed(sessions, zoo.claim(sessions, ids["done2.h5"]), structure_error=0.0)
    return ids


def walk(session: Session, text: str, sort: Sort, limit: int) -> list[JobPage]:
    pages, after = [], None
    while True:
        pages.append(page_of_jobs(session, parse(text), sort=sort, after=after, limit=limit))
        after = pages[-1].after
        if after is None:
            return pages


@pytest.mark.parametrize("text", ["", "state:failed,succeeded", "state:failed", "-state:queued key:o"])
@pytest.mark.parametrize("sort", list(Sort))
def test_pages_hold_every_job_once_in_order_and_lead_back(
    sessions: sessionmaker[Session], fleet: dict[str, int], text: str, sort: Sort
) -> None:
    with sessions() as session:
        pages = walk(session, text, sort, 2)
        found = [row for page in pages for row in page.jobs]
        (whole,) = walk(session, text, sort, 100)
        back = page_of_jobs(session, parse(text), sort=sort, before=pages[1].before, limit=2)
        total = total_of(session, parse(text))
    assert [row.id for row in found] == [row.id for row in whole.jobs]
    keys = [(row.finished_at, row.id) if sort.by_end else row.id for row in found]
    assert keys == sorted(keys, reverse=sort.descending)
    ended = sum(row.finished_at is not None for row in found)
    assert (total.count, total.exact) == (len(found) if not sort.by_end else max(ended, total.count), True)
    assert [row.id for row in back.jobs] == [row.id for row in pages[0].jobs]
    assert back.before is None


def test_a_page_behind_the_last_job_is_empty(sessions: sessionmaker[Session], fleet: dict[str, int]) -> None:
    with sessions() as session:
        page = page_of_jobs(session, after=Place(1), limit=2)
    assert page == JobPage([], None, None)


def test_each_cause_is_one_group(sessions: sessionmaker[Session], fleet: dict[str, int]) -> None:
    with sessions() as session:
        first = failures.list_failures(session, limit=1)
        second = failures.list_failures(session, behind=first.next, limit=1)
        of_one = failures.list_failures(session, parse("key:foo"))
    (group,) = first.groups
    assert (group.kind, group.message, group.jobs, group.quarantined) == (
        "unsupported-model", "layer *", 3, 0,
    )  # fmt: skip
    assert group.example_job == fleet["both.h5"]
    assert group.example_key == "both.h5"
    assert group.first_seen <= group.last_seen
    (short,) = second.groups
    assert (short.message, short.jobs, second.next) == ("ends at byte *", 1, None)
    assert [each.jobs for each in of_one.groups] == [2]


def test_a_failure_that_is_tried_again_leaves_its_group(
    sessions: sessionmaker[Session], fleet: dict[str, int]
) -> None:
    zoo.new_batch(sessions, [])
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == fleet["short.h5"]).values(state=JobState.QUEUED))
    with sessions() as session:
        assert [group.jobs for group in failures.list_failures(session).groups] == [3]


def test_coverage_tells_what_one_class_would_unlock(
    sessions: sessionmaker[Session], fleet: dict[str, int]
) -> None:
    with sessions() as session:
        found = coverage.coverage(session)
        none = coverage.coverage(session, parse("key:short"))
    assert [(each.subject, each.jobs, each.alone) for each in found.blockers] == [
        ("Foo", 3, 2),
        ("Bar", 1, 0),
    ]
    assert found.blocked == 3
    assert none.blockers == []


def test_counts_of_what_ended_fall_into_their_buckets(
    sessions: sessionmaker[Session], fleet: dict[str, int]
) -> None:
    with sessions.begin() as session:
        session.execute(update(Attempt).where(Attempt.job_id == fleet["done1.h5"]).values(ended_at=now(-150)))
    with sessions() as session:
        series = overview.throughput_series(session, buckets=5, bucket_seconds=60)
    assert len(series) == 5
    assert sum(bucket.outcomes.get(AttemptOutcome.FAILED, 0) for bucket in series) == 4
    (earlier,) = [bucket for bucket in series[:-2] if bucket.outcomes]
    assert earlier.outcomes == {AttemptOutcome.SUCCEEDED: 1}
    assert earlier.start <= datetime.now(UTC) - timedelta(seconds=149) < earlier.start + timedelta(seconds=61)
    assert all(bucket.start.second == 0 for bucket in series)


def test_how_exact_conversions_were(sessions: sessionmaker[Session], fleet: dict[str, int]) -> None:
    with sessions() as session:
        decades = {each.up_to: each for each in overview.parity_histogram(session)}
    assert (decades[1e-16].structure, decades[1e-11].structure) == (1, 1)
    assert sum(each.structure for each in decades.values()) == 2
    assert decades[1e-7].deployment == 2


def test_ends_of_a_batch_are_its_own(sessions: sessionmaker[Session], fleet: dict[str, int]) -> None:
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.finished_at.is_not(None)).values(finished_at=now(-90)))
    other = zoo.new_batch(sessions, ["foo1.h5"])
    with sessions() as session:
        everything = overview.ends_per_minute(session, minutes=5)
        of_one = overview.ends_per_minute(session, minutes=5, batch_id=other)
    assert (sum(everything), sum(of_one), len(everything)) == (6, 1, 5)


def test_how_long_the_first_in_line_has_waited(
    sessions: sessionmaker[Session], fleet: dict[str, int]
) -> None:
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == fleet["waits.h5"]).values(run_at=now(-500)))
    with sessions() as session:
        since = overview.waiting_since(session)
    assert since is not None
    assert 499 < (datetime.now(UTC) - since).total_seconds() < 520


def test_durations_are_of_what_succeeded(sessions: sessionmaker[Session], fleet: dict[str, int]) -> None:
    with sessions() as session:
        found = overview.durations(session)
    assert found.attempts == 2
    assert found.quantiles["p50"] <= found.quantiles["max"]


def test_batches_come_newest_first(sessions: sessionmaker[Session]) -> None:
    numbers = [zoo.new_batch(sessions, [f"{each}.h5"]) for each in range(3)]
    with sessions() as session:
        first = batch_pages.list_batches(session, limit=2)
        second = batch_pages.list_batches(session, before=first.next_before, limit=2)
        row = batch_pages.batch_row(session, numbers[0])
        missing = batch_pages.batch_row(session, 10**9)
    assert [row.id for row in (*first.batches, *second.batches)] == numbers[::-1]
    assert second.next_before is None
    assert row is not None
    assert (row.dest_url, row.jobs_new) == ("/bundles", 1)
    assert missing is None


@pytest.mark.parametrize(
    ("left", "per_minute", "expected"),
    [
        (100, [0, 0, 10, 10, 10], (600.0, 600.0, 600.0)),
        (0, [], (0.0, 0.0, 0.0)),
        (5, [0, 0, 0], None),
        (5, [0, 0, 3], None),
    ],
)
def test_what_is_left_is_reckoned_from_the_last_minutes(
    left: int, per_minute: list[int], expected: tuple[float, float, float] | None
) -> None:
    found = time_left(left, per_minute)
    assert expected == (None if found is None else (found.seconds, found.soonest, found.latest))


def test_an_uneven_pace_has_a_wide_spread_and_a_wild_one_no_end() -> None:
    uneven, wild = time_left(60, [8, 12, 9, 11]), time_left(60, [1, 60])
    assert uneven is not None
    assert wild is not None
    assert uneven.latest is not None
    assert uneven.soonest < uneven.seconds < uneven.latest
    assert wild.latest is None
