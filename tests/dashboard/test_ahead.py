"""Figures that are there before anybody asks, and pages that say how old theirs are."""

import threading
import time
from contextvars import Context
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from dashboard import figures, remembered
from dashboard.ahead import Ahead
from dashboard.app import create_app
from dashboard.config import Config
from dashboard.services import Services
from db.queries import batch_pages
from db.session import make_engine, session_factory
from tests.dashboard.seed import seed
from tests.dashboard.test_remembered import Clock


@pytest.fixture
def patient(services: Services) -> Services:
    seed(services.writes, good=2)
    return replace(services, config=Config())


def test_what_pages_show_to_everybody_is_found_before_somebody_asks(
    patient: Services, tmp_path: Path
) -> None:
    with patient.reads() as session:
        batches = batch_pages.list_batches(session).batches
    patient = replace(patient, config=Config(patience=1000))  # until everything is found
    without = replace(patient, reads=session_factory(make_engine(f"sqlite:///{tmp_path}/none/fleet.db")))

    def is_there() -> bool:
        try:
            figures.now(without)
            figures.failure_page(without, "", None, figures.CAUSES)
            figures.layer_coverage(without, "")
            for each in batches:
                figures.progress(without, each)
                figures.summary(without, each)
        except OperationalError:
            return False
        return True

    assert len(batches) == 2
    assert not is_there()
    ahead, until = Ahead(patient), time.monotonic() + 30
    ahead.start()
    try:
        while not is_there() and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        ahead.stop()
    assert is_there()


def test_a_page_says_how_old_its_figures_are(patient: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(remembered, "time", clock)
    monkeypatch.setattr(remembered, "_QUICK_SECONDS", 0)
    monkeypatch.setattr("dashboard.app.Ahead.start", lambda _: None)
    # In a context of its own: the application's requests begin with what the one has that starts it.
    Context().run(_read_while_it_ages, patient, clock)


def _read_while_it_ages(patient: Services, clock: Clock) -> None:
    with TestClient(create_app(patient), base_url="http://127.0.0.1:8080") as client:
        assert "Some figures are from" not in client.get("/batches").text
        clock.now += 15
        assert "Some figures are from 15 s ago" in client.get("/batches").text
        for thread in threading.enumerate():
            if thread.name == "figures":
                thread.join(10)
        assert "Some figures are from" not in client.get("/batches").text
