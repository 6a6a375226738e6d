"""The operator's acts as an operator makes them, on the database of a migration that has ended."""

from pathlib import Path

import pytest

from tests.fleet import models
from tests.fleet.command import Fleet, wait_until


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Two models that no rule converts, one file that is none, one that converts."""
    folder = tmp_path_factory.mktemp("operate")
    models.unsupported(folder / "in" / "odd1.h5")
    models.unsupported(folder / "in" / "odd2.h5")
    models.corrupt(folder / "in" / "broken.h5")
    models.dense(folder / "in" / "good.h5")
    fleet = Fleet(folder / "home")
    fleet.json("migrate", str(folder / "in"), str(folder / "out"))
    return fleet


def keys(fleet: Fleet, *words: str) -> set[str]:
    return {job["key"] for job in fleet.json("jobs", *words)["jobs"]}


def test_jobs_are_filtered_by_words_and_by_options(migrated: Fleet) -> None:
    assert keys(migrated, "layer:Wizardry") == {"odd1.h5", "odd2.h5"}
    assert keys(migrated, "-state:failed") == {"good.h5"}
    assert keys(migrated, "state:failed", "-error:unsupported") == {"broken.h5"}
    assert keys(migrated, "state:failed -error:unsupported") == {"broken.h5"}
    assert keys(migrated, "--state", "failed", "odd2") == {"odd2.h5"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jobs", "stat:failed"], "fleet: 'stat:failed': no field 'stat'; there are job, "),
        (["jobs", "--stat", "failed"], "fleet: no such option: --stat"),
        (["retry"], "fleet: say which jobs: numbers, a filter, or --all"),
        (["cancel", "--all", "state:queued"], "fleet: --all and a filter?"),
        (["retry", "state:failed"], "fleet: retry 3 jobs? Nobody is there to ask: say --yes"),
        (["hold", "99"], "fleet: no batch 99"),
        (["hold", "1"], "fleet: batch 1 is finished: there is nothing to hold"),
        (["release", "1"], "fleet: batch 1 is finished: there is nothing to release"),
        (["drain", "nobody"], "fleet: no worker nobody is there"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(migrated: Fleet, arguments: list[str], message: str) -> None:
    done = migrated.run(*arguments)
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert done.returncode == (1 if "batch" in message or "worker" in message else 2)


def test_a_dry_run_counts_what_the_act_then_changes(migrated: Fleet) -> None:
    counted = migrated.json("retry", "layer:Wizardry", "--dry-run")
    assert (counted["jobs"], counted["changed"], counted["dry_run"]) == (2, 0, True)
    assert keys(migrated, "state:queued") == set()
    retried = migrated.json("retry", "layer:Wizardry", "--yes")
    assert (retried["jobs"], retried["changed"]) == (2, 2)
    assert keys(migrated, "state:queued") == {"odd1.h5", "odd2.h5"}

    held = migrated.json("hold", "1")
    assert held == {"action": "hold", "batch": 1, "jobs": 2}
    assert migrated.json("release", "1")["jobs"] == 2
    cancelled = migrated.json("cancel", "odd1", "--yes")
    assert (cancelled["changed"], cancelled["requested"]) == (1, 0)
    assert keys(migrated, "state:cancelled") == {"odd1.h5"}

    acts = migrated.json("audit")
    assert [(act["action"], act["subject"], act["jobs"]) for act in acts] == [
        ("cancel", "odd1", 1), ("release", "batch:1", 2), ("hold", "batch:1", 2), ("retry", "layer:Wizardry", 2)
    ]  # fmt: skip
    assert all("@" in act["actor"] for act in acts)
    assert "retry" in migrated.run("audit").stdout


def test_a_worker_that_was_asked_to_drain_stops(postgres_url: str, broker_url: str, tmp_path: Path) -> None:
    settings = {
        "FLEET_DATABASE_URL": postgres_url,
        "FLEET_BROKER_URL": broker_url,
        "FLEET_HEARTBEAT_SECONDS": "1",
    }
    fleet = Fleet(tmp_path / "home", **settings)
    assert fleet.run("upgrade").returncode == 0
    with fleet.start("worker", "--workers", "1") as worker:
        wait_until(lambda: fleet.json("workers"))
        (row,) = fleet.json("workers")
        assert (row["state"], row["slots"], row["running"]) == ("active", 1, 0)
        assert fleet.json("drain", row["id"]) == {"worker": row["id"], "asked": True}
        assert worker.process.wait(30) == 0
    assert fleet.json("workers") == []
    (row,) = fleet.json("workers", "--gone")
    assert (row["state"], row["drain_requested_at"] is None) == ("gone", False)
    assert "gone" in fleet.run("workers", "--gone").stdout
