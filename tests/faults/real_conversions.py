"""T22: nothing stands in for anything here: real models, real children, real workers that die, a bucket that lies."""

import os
import random
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import LiteralString

import psycopg

from storage import StoreSettings, open_store
from tests import servers
from tests.faults import checker
from tests.faults.arena import Row
from tests.faults.http_proxy import SHARES, faulty
from tests.fleet import models
from tests.fleet.command import Fleet

_HASTE = {"FLEET_LEASE_SECONDS": "10", "FLEET_HEARTBEAT_SECONDS": "1", "FLEET_REAP_SECONDS": "1"}
# boto3 waits as long as it does in production, so that a third of the faults takes as long as it may.
_SHARES = {fault: share / 3 for fault, share in SHARES.items()}
_AGAIN = 10
_RESULTS: LiteralString = """
    SELECT substring(source.key FROM '[^/]*$'), job_artifact.name, job_artifact.sha256,
           parity.structure_error, parity.deployment_error
    FROM job JOIN source ON source.id = job.source_id JOIN recipe ON recipe.id = job.recipe_id
    JOIN job_artifact ON job_artifact.job_id = job.id
    JOIN parity ON parity.job_id = job.id AND parity.fence = job.fence
    WHERE recipe.dest_url LIKE %s AND source.key ~ '(^|/)again-'
        AND job_artifact.name IN ('model.py', 'model.safetensors')
"""


def real(
    postgres: servers.Postgres,
    valkey: servers.Valkey,
    s3: servers.S3,
    folder: Path,
    *,
    jobs: int,
    kills: int,
    every: float,
    seed: int,
    seconds: float,
) -> Row:
    """Convert so many models while workers are killed every so often; some once more in peace, to compare."""
    began = time.monotonic()
    chance = random.Random(seed)
    valkey.flush()
    with (
        s3.bucket() as bucket,
        faulty(s3.port, seed=seed, shares=_SHARES) as lying,
        postgres.database() as url,
    ):
        direct = StoreSettings(s3_endpoint_url=s3.endpoint, s3_region="us-east-1")
        source = open_store(f"s3://{bucket}/in", direct)
        expected: dict[str, frozenset[str]] = {}
        for number in range(jobs):
            key = f"some/again-{number}.h5" if number < _AGAIN else f"m{number}.h5"
            path = models.dense(folder / f"{number}.h5", seed=number)
            source.put_bytes(key, path.read_bytes())
            expected[key] = frozenset({"succeeded"})
        home = {
            "FLEET_DATABASE_URL": url,
            "FLEET_BROKER_URL": valkey.url,
            **_HASTE,
            **s3.credentials,
        }
        fleet = Fleet(folder / "home", FLEET_S3_ENDPOINT_URL=lying.endpoint, **home)
        assert fleet.run("upgrade").returncode == 0
        to = f"s3://{bucket}/out"
        with ExitStack() as under_way:
            workers = [under_way.enter_context(fleet.start("worker", "--workers", "1")) for _ in range(2)]
            migrate = under_way.enter_context(
                fleet.start("migrate", f"s3://{bucket}/in", to, "--workers", "0")
            )
            killed, last = 0, time.monotonic()
            while migrate.process.poll() is None and time.monotonic() - began < seconds:
                if killed < kills and time.monotonic() - last > chance.uniform(0.5, 1.5) * every:
                    doomed = chance.randrange(len(workers))
                    os.kill(workers[doomed].process.pid, signal.SIGKILL)
                    workers[doomed] = under_way.enter_context(fleet.start("worker", "--workers", "1"))
                    killed, last = killed + 1, time.monotonic()
                time.sleep(0.1)
            recovery = time.monotonic() - last
            code, said = migrate.end(signal.SIGTERM)
        row = Row(
            fault="T22 real conversions, workers killed, a bucket that lies",
            jobs=jobs,
            injected=killed + sum(lying.faults.values()),
            unit="kills and answers",
            seed=seed,
            kills=killed,
            io_faults=sum(lying.faults.values()),
            recovery_s=recovery,
        )
        row.counts = checker.check(url, open_store(to, direct), expected)
        row.promise(code == 0, f"it ended with {code}: {said[-300:]}")
        in_peace = Fleet(folder / "home", FLEET_S3_ENDPOINT_URL=s3.endpoint, **home)
        done = in_peace.run("migrate", f"s3://{bucket}/in/some", f"s3://{bucket}/peace", "--workers", "2")
        row.promise(done.returncode == 0, done.stdout[-200:])
        with psycopg.connect(url) as connection:
            row.attempts = _number(connection, "SELECT count(*) FROM attempt")
            first = set(connection.execute(_RESULTS, ["%/out"]).fetchall())
            again = set(connection.execute(_RESULTS, ["%/peace"]).fetchall())
    row.promise(len(first) == 2 * min(_AGAIN, jobs), f"{len(first)} files to compare")
    row.promise(first == again, f"other bytes or another parity: {sorted(map(str, first ^ again))[:2]}")
    row.wall_s = time.monotonic() - began
    return row


def _number(connection: "psycopg.Connection[tuple[int, ...]]", query: LiteralString) -> int:
    (found,) = connection.execute(query).fetchone() or (0,)
    return int(found)
