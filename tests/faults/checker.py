"""Counts, after every run, what must never be: each figure is 0, or the fleet broke its promise.

Nothing here asks the code under test: rows are read with SQL, objects are read and hashed.
"""

import hashlib
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from storage.errors import ObjectMissing
from storage.store import ObjectStore


@dataclass
class Counts:
    """All zero after a right run."""

    unfinished: int = 0
    """Jobs in no terminal state when time was up."""
    lost: int = 0
    """Sources that no job stands for, or whose job did not end as its source says."""
    duplicated: int = 0
    """Contents with more than one job that made its result, and jobs that more than one attempt ended."""
    contents_without_result: int = 0
    """Contents of succeeded jobs of which no job made the result."""
    manifests_wrong: int = 0
    """Successes whose manifest is missing or another one, and manifests nobody succeeded with."""
    artifacts_wrong: int = 0
    """Files that are missing, have another hash, or differ from what the manifest says."""
    doors_wrong: int = 0
    """Bundles under a source's name that are not whole."""
    overlapping: int = 0
    """Committed attempts of one job that ran at the same time."""
    unproven: int = 0
    """Successes without a passed parity row of the attempt that succeeded."""
    without_lease: int = 0
    """Jobs that run with no live lease."""
    open_attempts: int = 0
    """Attempts that have no end although their job has."""
    promises_broken: int = 0
    """What else was promised of this fault, such as that no process ends, and did not hold."""

    notes: list[str] = field(default_factory=list)
    """What was found, for a person to look at."""

    def wrong(self) -> dict[str, int]:
        """The figures that are not zero."""
        named = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "notes"}
        return {name: number for name, number in named.items() if number}

    def add(self, name: str, note: str) -> None:
        """Count one, and say which."""
        setattr(self, name, getattr(self, name) + 1)
        if len(self.notes) < 20:
            self.notes.append(f"{name}: {note}")


_JOBS: LiteralString = """
    SELECT job.id, job.state, job.fence, job.content_key, job.manifest_sha256, job.reused_from, job.recipe_id,
           job.error_message, job.lease_until < now() AS lapsed, source.key, source.id AS source_id,
           source.key || '@' || source.etag AS version
    FROM job JOIN source ON source.id = job.source_id ORDER BY job.id
"""
_ATTEMPTS: LiteralString = """
    SELECT job_id, fence, outcome, started_at, ended_at FROM attempt ORDER BY job_id, fence
"""
_REQUEUED: LiteralString = "SELECT job_id, count(*) AS times FROM event WHERE type = 'requeued' GROUP BY 1"
_COMMITTED = ("succeeded", "reused")
_TERMINAL = ("succeeded", "failed", "quarantined", "cancelled")


def check(
    database_url: str, dest: ObjectStore, expected: dict[str, frozenset[str]], *, name: str = "key"
) -> Counts:
    """Count; `expected` are the states in which the job of each source may end, by its key.

    `name` of "version": by its key, an @, and its ETag, where a source has several versions.
    """
    counts = Counts()
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        jobs = connection.execute(_JOBS).fetchall()
        attempts = connection.execute(_ATTEMPTS).fetchall()
        parity = {
            (row["job_id"], row["fence"]) for row in connection.execute("SELECT * FROM parity WHERE passed")
        }
        files: dict[int, dict[str, Any]] = {}
        for row in connection.execute("SELECT * FROM job_artifact"):
            files.setdefault(row["job_id"], {})[row["name"]] = row
        requeued = {row["job_id"]: row["times"] for row in connection.execute(_REQUEUED)}
    _check_states(counts, jobs, expected, name)
    _check_attempts(counts, jobs, attempts, requeued)
    succeeded = [job for job in jobs if job["state"] == "succeeded"]
    for job in succeeded:
        if (job["id"], job["fence"]) not in parity:
            counts.add("unproven", job["key"])
    _check_results(counts, dest, succeeded, files)
    return counts


def _check_states(
    counts: Counts, jobs: list[dict[str, Any]], expected: dict[str, frozenset[str]], name: str
) -> None:
    of_key = Counter(job[name] for job in jobs)
    for key in expected:
        if of_key[key] != 1:
            counts.add("lost" if of_key[key] == 0 else "duplicated", f"{key}: {of_key[key]} jobs")
    for job in jobs:
        if job["state"] not in _TERMINAL:
            counts.add("unfinished", f"{job['key']} (job {job['id']}) is {job['state']}")
        elif job["state"] not in expected.get(job[name], ()):
            counts.add("lost", f"{job['key']} (job {job['id']}) ended {job['state']}: {job['error_message']}")
        if job["state"] == "running" and job["lapsed"] is not False:
            counts.add("without_lease", job["key"])


def _check_attempts(
    counts: Counts, jobs: list[dict[str, Any]], attempts: list[dict[str, Any]], requeued: dict[int, int]
) -> None:
    ended = {job["id"] for job in jobs if job["state"] in _TERMINAL}
    committed: dict[int, list[dict[str, Any]]] = {}
    for attempt in attempts:
        if attempt["outcome"] in _COMMITTED:
            committed.setdefault(attempt["job_id"], []).append(attempt)
        if attempt["ended_at"] is None and attempt["job_id"] in ended:
            counts.add("open_attempts", f"job {attempt['job_id']}, attempt {attempt['fence']}")
    for job_id, won in committed.items():
        if len(won) > 1 + requeued.get(job_id, 0):
            counts.add("duplicated", f"job {job_id} was ended by {len(won)} attempts")
        for earlier, later in itertools.pairwise(won):
            if later["started_at"] < earlier["ended_at"]:
                counts.add("overlapping", f"job {job_id}")
    for job in jobs:
        if job["state"] == "succeeded" and len(committed.get(job["id"], ())) == 0:
            counts.add("lost", f"{job['key']} succeeded without an attempt that did")


def _check_results(
    counts: Counts, dest: ObjectStore, succeeded: list[dict[str, Any]], files: dict[int, dict[str, Any]]
) -> None:
    made = Counter((job["recipe_id"], job["content_key"]) for job in succeeded if not job["reused_from"])
    contents = {(job["recipe_id"], job["content_key"]) for job in succeeded}
    for content in contents:
        if made[content] == 0:
            counts.add("contents_without_result", str(content))
        elif made[content] > 1:
            counts.add("duplicated", f"{content}: {made[content]} results")
    published = {item.key for item in dest.list("results/") if item.key.endswith("/manifest.json")}
    for key in published - {_manifest(job) for job in succeeded}:
        counts.add("manifests_wrong", f"{key} belongs to no success")
    hashes: dict[str, str | None] = {}

    def sha256_of(key: str) -> str | None:
        if key not in hashes:
            content = _read(dest, key)
            hashes[key] = None if content is None else hashlib.sha256(content).hexdigest()
        return hashes[key]

    newest = {job["key"]: job["source_id"] for job in sorted(succeeded, key=lambda job: job["source_id"])}
    for job in succeeded:
        manifest = _read(dest, _manifest(job))
        if manifest is None or hashlib.sha256(manifest).hexdigest() != job["manifest_sha256"]:
            counts.add("manifests_wrong", f"{job['key']}: {_manifest(job)}")
            continue
        named = {file["path"]: file["sha256"] for file in json.loads(manifest)["files"]}
        recorded = files.get(job["id"], {})
        if {name: row["sha256"] for name, row in recorded.items()} != named:
            counts.add("artifacts_wrong", f"{job['key']}: rows and manifest differ")
        for row in recorded.values():
            if sha256_of(row["key"]) != row["sha256"]:
                counts.add("artifacts_wrong", f"{job['key']}: {row['key']}")
        if newest[job["key"]] != job["source_id"]:
            continue
        door = f"by-name/{job['key'].removesuffix('.h5')}"
        if {name: sha256_of(f"{door}/{name}") for name in named} != named:
            counts.add("doors_wrong", door)


def _manifest(job: dict[str, Any]) -> str:
    return f"results/{job['content_key']}/manifest.json"


def _read(dest: ObjectStore, key: str) -> bytes | None:
    try:
        return dest.read_bytes(key)
    except ObjectMissing:
        return None
