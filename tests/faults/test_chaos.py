"""A small size of every fault; `make chaos` runs them at the size whose figures docs/faults.md shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import scenarios
from tests.faults.arena import Row
from tests.faults.crash_points import POINTS, Fuse
from tests.faults.installation import Servers, own_servers


@pytest.fixture(scope="module")
def on() -> Iterator[Servers]:
    """Not the session's servers: these are killed."""
    with own_servers() as opened:
        yield opened


def run(on: Servers, folder: Path, name: str, seed: int = 1) -> Row:
    scenario = scenarios.BY_NAME[name]
    row = scenario.run(on, folder / name, scenario.quick, seed)
    row.assert_right()
    return row


def test_death_at_a_crash_point_loses_nothing_and_every_point_is_passed(on: Servers, tmp_path: Path) -> None:
    row = run(on, tmp_path, "T1")
    # Whatever moves code must move its point along: one that nobody passes proves nothing.
    assert set(POINTS) - row.notes["passed"] == set()
    assert len(POINTS) >= 25


def test_killed_workers_lose_nothing(on: Servers, tmp_path: Path) -> None:
    assert run(on, tmp_path, "T2").injected > 0


def test_lost_and_doubled_messages_lose_and_double_nothing(on: Servers, tmp_path: Path) -> None:
    assert run(on, tmp_path, "T3").injected > 0


def test_a_broker_that_forgets_everything_loses_nothing(on: Servers, tmp_path: Path) -> None:
    row = run(on, tmp_path, "T4")
    assert row.injected == 2


def test_a_broker_without_room_loses_nothing_and_is_complained_of(on: Servers, tmp_path: Path) -> None:
    row = run(on, tmp_path, "T5")
    assert row.injected == 3
    assert row.notes["evicted"] > 0


def test_workers_listen_again_after_their_connections_died(on: Servers, tmp_path: Path) -> None:
    row = run(on, tmp_path, "T6")
    assert row.notes["times"] > 0  # four, where the machine is not done with all jobs before


def test_no_process_ends_when_the_database_is_killed(on: Servers, tmp_path: Path) -> None:
    row = run(on, tmp_path, "T7")
    assert row.injected == 1


def test_commits_of_unknown_outcome_count_once(on: Servers, tmp_path: Path) -> None:
    row = run(on, tmp_path, "T8")
    assert row.injected > 0


def test_a_store_that_fails_a_third_of_all_requests_loses_and_harms_nothing(
    on: Servers, tmp_path: Path
) -> None:
    row = run(on, tmp_path, "T9")
    assert row.injected > 20
    assert row.notes["kinds"]["flipped"] > 0
    assert row.notes["kinds"]["repeated"] > 0


def test_a_source_replaced_as_it_is_read_never_gives_its_result_to_the_other(
    on: Servers, tmp_path: Path
) -> None:
    assert run(on, tmp_path, "T10").injected == 8


def test_a_full_disk_is_waited_out_and_left_empty(on: Servers, tmp_path: Path) -> None:
    assert run(on, tmp_path, "T11").injected > 0


def test_want_of_memory_is_recorded_and_harms_nobody_else(on: Servers, tmp_path: Path) -> None:
    row = run(on, tmp_path, "T12")
    assert (row.notes["signal 9"], row.notes["out of memory"]) == (3, 2)


def test_poison_is_set_aside_and_harms_nobody_else(on: Servers, tmp_path: Path) -> None:
    assert run(on, tmp_path, "T13").injected == 16


def test_no_clock_but_the_database_s_counts(on: Servers, tmp_path: Path) -> None:
    assert run(on, tmp_path, "T14").injected > 7


def test_schedulers_that_wake_late_do_no_harm(on: Servers, tmp_path: Path) -> None:
    assert run(on, tmp_path, "T15").injected > 0


def test_a_worker_that_wakes_past_its_lease_writes_nothing(on: Servers, tmp_path: Path) -> None:
    row = run(on, tmp_path, "T16")
    assert row.injected == 2
    assert "0 late writes" not in row.unit


def test_drained_jobs_are_handed_back_and_count_nothing(on: Servers, tmp_path: Path) -> None:
    assert run(on, tmp_path, "T17").injected > 0


def test_a_cancelled_job_ends_cancelled_or_succeeded(on: Servers, tmp_path: Path) -> None:
    row = run(on, tmp_path, "T18")
    assert row.injected == 15


def test_a_point_that_nobody_declared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="nowhere"):
        Fuse(record=tmp_path / "points").point("nowhere")
