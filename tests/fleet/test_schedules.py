"""`fleet schedules` as an operator types it."""

from pathlib import Path

import pytest

from db import session as db_session
from tests.fleet import models
from tests.fleet.command import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    models.dense(tmp_path / "in" / "a.h5")
    url = f"sqlite:///{tmp_path / 'fleet.db'}"
    db_session.upgrade(url)
    return Fleet(tmp_path / "home", FLEET_DATABASE_URL=url)


def test_a_schedule_from_its_making_to_its_end(fleet: Fleet, tmp_path: Path) -> None:
    places = (str(tmp_path / "in"), str(tmp_path / "out"))
    when = ("--cron", "30 2 * * *", "--timezone", "Europe/Berlin")
    (made,) = fleet.json("schedules", "add", "nightly", *places, *when, "--exclude", "old/")
    assert made["selection"] == {"exclude": ["old/"], "only_needed": True}
    assert made["next_tick"].startswith("20")
    assert (
        "there is a schedule 'nightly' already"
        in fleet.run("schedules", "add", "nightly", *places, *when).stderr
    )
    (edited,) = fleet.json(
        "schedules", "edit", "nightly", "--cron", "0 4 * * 1", "--overlap", "queue", "--everything"
    )
    assert (edited["cron"], edited["timezone"], edited["overlap"]) == ("0 4 * * 1", "Europe/Berlin", "queue")
    assert edited["selection"] == {"exclude": ["old/"]}
    (paused,) = fleet.json("schedules", "pause", "nightly")
    assert (paused["enabled"], paused["next_tick"]) == (False, None)
    batch = fleet.json("schedules", "run", "nightly")["batch"]
    (resumed,) = fleet.json("schedules", "resume", "nightly")
    assert (resumed["enabled"], resumed["last_batch"], resumed["last_state"]) == (True, batch, "planning")
    assert "nightly" in fleet.run("schedules", "list").stdout
    assert fleet.json("schedules", "remove", "nightly") == {"name": "nightly", "removed": True}
    assert fleet.json("schedules", "list") == []
    acts = [row["action"] for row in fleet.json("audit")]
    assert acts == [f"schedule-{act}" for act in ("remove", "resume", "run", "pause", "edit", "add")]


def test_what_cannot_be_done_is_said_in_a_line(fleet: Fleet, tmp_path: Path) -> None:
    places = (str(tmp_path / "in"), str(tmp_path / "out"))
    for arguments, message in (
        (("add", "x", *places, "--cron", "61 2 * * *"), "fleet: '61 2 * * *': Bad minute\n"),
        (("pause", "x"), "fleet: there is no schedule 'x'\n"),
    ):
        done = fleet.run("schedules", *arguments)
        assert (done.returncode, done.stderr) == (2, message)
