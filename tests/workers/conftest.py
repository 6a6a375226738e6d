"""A workshop with real stores, a real database, and real sandboxes that all tests share."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

import keras2torch
from db.queries import inventory
from db.queries.job_detail import JobDetail, job_detail
from db.states import AttemptOutcome
from keras2torch.options import ConversionOptions
from scheduler.plan import plan
from storage import ObjectStore, open_store
from tests.db import zoo
from workers import machine, recipe
from workers.admission import Admission
from workers.convert_job import Shop, convert_job
from workers.drain import Leases
from workers.isolation import Sandboxes
from workers.scratch import Scratch
from workers.settings import WorkerSettings


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[Sandboxes]:
    with Sandboxes(memory_bytes=4 << 30) as opened:
        yield opened


@dataclass
class Workshop:
    """A shop, the folders it works on, and the steps a scheduler would take."""

    shop: Shop
    sessions: sessionmaker[Session]
    source: Path
    dest: Path

    def plan(
        self, version: str = keras2torch.__version__, *, export: Sequence[str] = (), **asked: Any
    ) -> dict[str, int]:
        """List the source for a version of the converter, and options; returns the job of each key, the newest."""
        store, dest = open_store(str(self.source)), open_store(str(self.dest))
        options = recipe.options_of(ConversionOptions.of(**asked), dest, export=export)
        with self.sessions.begin() as session:
            batch_id = inventory.create_batch(
                session,
                source_url=store.url,
                dest_url=dest.url,
                converter_version=version,
                options=options,
            )
        for _ in plan(self.sessions, store, batch_id):
            continue
        return zoo.job_ids(self.sessions)

    def do(self, job_id: int) -> AttemptOutcome | None:
        return convert_job(self.shop, job_id)


Make = Callable[..., Workshop]


def detail(workshop: Workshop, job_id: int) -> JobDetail:
    with workshop.sessions() as session:
        found = job_detail(session, job_id)
    assert found is not None
    return found


@pytest.fixture
def workshop(
    sessions: sessionmaker[Session], sandboxes: Sandboxes, tmp_path: Path
) -> Iterator[Callable[..., Workshop]]:
    """Makes workshops: with other settings, or with another way to open stores."""
    with Scratch(tmp_path / "scratch") as scratch, ThreadPoolExecutor(4) as pool:

        def make(
            settings: WorkerSettings | None = None,
            open_: Callable[[str], ObjectStore] = open_store,
            room: Admission | None = None,
        ) -> Workshop:
            shop = Shop(
                worker_id="w1",
                settings=settings or WorkerSettings(),
                sessions=sessions,
                open_store=open_,
                sandboxes=sandboxes,
                scratch=scratch,
                leases=Leases(),
                pool=pool,
                admission=room or Admission(machine.memory_bytes()),
            )
            return Workshop(shop, sessions, tmp_path / "in", tmp_path / "out")

        yield make
    assert [*(tmp_path / "scratch").iterdir()] == []


Install = Callable[..., None]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts an nvidia-smi on the path, before any real one, that gives these answers."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def install(query: str, listing: str = "", code: int = 0) -> None:
        for name, text in {"query": query, "listing": listing}.items():
            (tmp_path / name).write_text(text)
        script = tmp_path / "nvidia-smi"
        script.write_text(
            f'#!/bin/sh\nif [ "$1" = --list-gpus ]; then cat {tmp_path}/listing; else cat {tmp_path}/query; fi\n'
            f"exit {code}\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return install
