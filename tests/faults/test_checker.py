"""The checker sees what it is there to see: each kind of damage to a right result is counted as what it is."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from storage import open_store
from tests.faults import checker
from tests.faults.arena import Arena, schedulers, workers
from tests.faults.checker import Counts
from tests.faults.installation import Servers, Size, installation, own_servers

_JOBS = {
    "FIRST": "SELECT min(id) FROM job WHERE state = 'succeeded'",
    "LAST": "SELECT max(id) FROM job WHERE state = 'succeeded'",
}


@dataclass(frozen=True)
class Result:
    """What a run left: rows, and objects in a folder."""

    database_url: str
    out: Path

    def check(self, expected: dict[str, frozenset[str]]) -> Counts:
        return checker.check(self.database_url, open_store(str(self.out)), expected)


@dataclass(frozen=True)
class Finished(Result):
    """To be damaged in copies."""

    on: Servers
    expected: dict[str, frozenset[str]]


Damage = Callable[[Result], None]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """Twelve jobs done, by one worker, with nothing broken."""
    folder = tmp_path_factory.mktemp("checker")
    size = Size(jobs=12, times=0, seconds=60)
    with own_servers() as on, installation(on, folder, size, seed=1) as arena:
        with workers(arena, 1) as crew, schedulers(arena) as planning:
            arena.finish([crew, planning], size.seconds)
        assert ended(arena, "succeeded") >= 10
        assert ended(arena, "failed") >= 1
        arena.close()
        yield Finished(arena.place.database_url, folder / "out", on, arena.expected)


def ended(arena: Arena, state: str) -> int:
    return arena.number("SELECT count(*) FROM job WHERE state = %s", state)


def change(statement: str) -> Damage:
    for word, query in _JOBS.items():
        statement = statement.replace(word, query)

    def damage(result: Result) -> None:
        with psycopg.connect(result.database_url) as connection:
            connection.execute(statement.encode())

    return damage


def files(pattern: str, ruin: Callable[[Path], object]) -> Damage:
    def damage(result: Result) -> None:
        ruin(min(result.out.glob(pattern)))

    return damage


def overwrite(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"something else")


def test_a_run_without_faults_counts_nothing(finished: Finished) -> None:
    counts = finished.check(finished.expected)
    assert counts.wrong() == {}, counts.notes


@pytest.mark.parametrize(
    ("named", "damage"),
    [
        ("unfinished", change("UPDATE job SET state = 'queued' WHERE id = (FIRST)")),
        ("without_lease", change("UPDATE job SET state = 'running' WHERE id = (FIRST)")),
        ("lost", change("UPDATE job SET state = 'failed' WHERE id = (FIRST)")),
        ("unproven", change("DELETE FROM parity WHERE job_id = (FIRST)")),
        ("open_attempts", change("UPDATE attempt SET ended_at = NULL WHERE job_id = (FIRST)")),
        (
            "duplicated",
            change(
                "INSERT INTO attempt (job_id, fence, worker_id, started_at, heartbeat_at, ended_at, outcome)"
                " SELECT job_id, fence + 100, worker_id, ended_at, ended_at, ended_at, outcome FROM attempt"
                " WHERE job_id = (FIRST) AND outcome = 'succeeded'"
            ),
        ),
        (
            "overlapping",
            change(
                "INSERT INTO attempt (job_id, fence, worker_id, started_at, heartbeat_at, ended_at, outcome)"
                " SELECT job_id, fence + 100, worker_id, started_at, ended_at, ended_at, outcome FROM attempt"
                " WHERE job_id = (FIRST) AND outcome = 'succeeded'"
            ),
        ),
        ("manifests_wrong", change("UPDATE job SET manifest_sha256 = 'other' WHERE id = (LAST)")),
        ("manifests_wrong", files("results/*/manifest.json", overwrite)),
        ("manifests_wrong", files("results/*/manifest.json", Path.unlink)),
        ("artifacts_wrong", files("cas/sha256/*/*/*", overwrite)),
        ("artifacts_wrong", files("cas/sha256/*/*/*", Path.unlink)),
        ("artifacts_wrong", change("DELETE FROM job_artifact WHERE job_id = (FIRST)")),
        ("doors_wrong", files("by-name/*/*/model.py", Path.unlink)),
        ("doors_wrong", files("by-name/*/*/model.py", overwrite)),
        (
            "contents_without_result",
            change("UPDATE job SET reused_from = (FIRST) WHERE state = 'succeeded' AND reused_from IS NULL"),
        ),
    ],
)  # fmt: skip
def test_damage_is_counted_as_what_it_is(
    finished: Finished, tmp_path: Path, named: str, damage: Damage
) -> None:
    shutil.copytree(finished.out, tmp_path / "out")
    with finished.on.postgres.database(like=finished.database_url) as url:
        copy = Result(url, tmp_path / "out")
        damage(copy)
        counts = copy.check(finished.expected)
    assert named in counts.wrong(), counts.notes


def test_a_source_without_a_job_is_lost(finished: Finished) -> None:
    counts = finished.check({**finished.expected, "never/planned.h5": frozenset({"succeeded"})})
    assert counts.wrong() == {"lost": 1}
