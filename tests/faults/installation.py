"""What a run of a fault stands on: servers, how much of it there is, and an installation over them."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

from db import session as db_session
from tests import servers
from tests.faults.arena import Arena, arena
from tests.faults.http_proxy import FaultyProxy, faulty
from tests.faults.processes import Haste, Place


@dataclass(frozen=True, kw_only=True)
class Servers:
    """What a run stands on; the run may kill them."""

    postgres: servers.Postgres
    valkey: servers.Valkey
    s3: servers.S3


@contextlib.contextmanager
def own_servers() -> Iterator[Servers]:
    """Servers for a run of their own."""
    with (
        servers.postgres() as postgres,
        servers.valkey() as valkey,
        servers.s3() as s3,
        mock.patch.dict(os.environ, s3.credentials),
    ):
        yield Servers(postgres=postgres, valkey=valkey, s3=s3)


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for a run, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fleet-chaos-", ignore_cleanup_errors=True) as name:
        yield Path(name) / "run"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of a fault: `jobs`, how often, and the seconds after which the run counts as stuck."""

    jobs: int
    times: int
    seconds: float


@contextlib.contextmanager
def installation(
    on: Servers,
    folder: Path,
    size: Size,
    seed: int,
    *,
    seconds: float = 0.0,
    mixed: bool = True,
    buckets: tuple[str, str] | None = None,
    among: Mapping[str, tuple[int, str]] = MappingProxyType({}),
    **place: Any,
) -> Iterator[Arena]:
    with on.postgres.database() as url:
        db_session.upgrade(url)
        on.valkey.flush()
        here = Place(
            database_url=url, broker_url=on.valkey.url, scratch=folder, log=folder, record=folder, **place
        )
        with arena(
            folder,
            here,
            jobs=size.jobs,
            seed=seed,
            mixed=mixed,
            seconds=seconds,
            buckets=buckets,
            among=among,
        ) as opened:
            yield opened


@contextlib.contextmanager
def behind_proxy(
    on: Servers, folder: Path, size: Size, seed: int, *, shares: Mapping[str, float], **more: Any
) -> Iterator[tuple[Arena, FaultyProxy]]:
    """Buckets whose workers reach them through a proxy alone."""
    with (
        on.s3.bucket() as source,
        on.s3.bucket() as dest,
        faulty(on.s3.port, seed=seed, shares=shares) as store,
        installation(
            on,
            folder,
            size,
            seed,
            buckets=(f"s3://{source}", f"s3://{dest}"),
            s3_endpoint=on.s3.endpoint,
            slots=3,
            haste=Haste(lease=10, heartbeat=1),
            **more,
        ) as arena,
    ):
        arena.place = replace(arena.place, s3_endpoint=store.endpoint)
        yield arena, store
