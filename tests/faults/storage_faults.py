"""Faults of the object store: busy, broken with the work done or not, silent, cut short, lying; sources replaced."""

import hashlib
import json
import time
from urllib.parse import unquote

from tests.faults import arena as arenas
from tests.faults.arena import Arena, Row
from tests.faults.fake_child import source
from tests.faults.http_proxy import SHARES, FaultyProxy

_OWN = frozenset({"succeeded"})


def lying_store(arena: Arena, store: FaultyProxy, *, seconds: float) -> Row:
    """T9: a third of all requests of all workers goes wrong, and the source is listed again, twice over."""
    began = time.monotonic()
    store.repeating = True
    arena.plan()
    store.repeating = False
    with arenas.workers(arena, 3) as crew, arenas.schedulers(arena) as schedulers:
        arena.finish([crew, schedulers], seconds)
    faults = sum(store.faults.values())
    row = arena.row(
        f"T9 {sum(SHARES.values()):.0%} of S3 requests busy, broken, silent, short, flipped or in conflict",
        injected=faults,
        unit="answers",
        io_faults=faults,
        wall_s=time.monotonic() - began,
        notes={"kinds": dict(store.faults), "requests": store.requests},
    )
    row.promise(crew.deaths + schedulers.deaths == 0, "a process ended")
    return row


def overwritten(arena: Arena, store: FaultyProxy, *, seconds: float) -> Row:
    """T10: a third of all sources is replaced after they were listed, another third while they are read."""
    began = time.monotonic()
    first = {key: arena.source.read_bytes(key) for key in sorted(arena.expected)}
    keys = [*first]
    arena.random.shuffle(keys)
    third = len(keys) // 3
    before, during = keys[:third], {*keys[third : 2 * third]}
    second = {key: source(len(keys) + number) for number, key in enumerate([*before, *sorted(during)])}

    def amid(path: str) -> bool:
        key = next((key for key in during if unquote(path.partition("?")[0]).endswith(f"/{key}")), None)
        if key is None:
            return False
        during.discard(key)
        arena.source.put_bytes(key, second[key], if_absent=False)
        return arena.random.random() < 0.5

    for key in before:
        arena.source.put_bytes(key, second[key], if_absent=False)
    either = {*during}
    store.amid = amid
    bodies = {_version(key, body): body for key, body in [*first.items(), *second.items()]}
    arena.named_by = "version"
    arena.expected = {_version(key, body): _OWN for key, body in [*first.items(), *second.items()]} | {
        _version(key, first[key]): _OWN | {"failed"} if key in either else frozenset({"failed"})
        for key in second
    }
    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:
        arena.finish([crew, schedulers], seconds)
        arena.plan()
        arena.finish([crew, schedulers], seconds)
    row = arena.row(
        "T10 sources replaced after they were listed, or while they were read",
        injected=len(second),
        unit="replacements",
        io_faults=len(second),
        wall_s=time.monotonic() - began,
    )
    row.promise(not during, "a source was not replaced while it was read")
    row.promise(crew.deaths + schedulers.deaths == 0, "a process ended")
    made = arena.query(
        "SELECT source.key || '@' || source.etag, job_artifact.key FROM job"
        " JOIN source ON source.id = job.source_id JOIN job_artifact ON job_artifact.job_id = job.id"
        " WHERE job.state = 'succeeded' AND job_artifact.name = 'manifest.json'"
    )
    for version, artifact in made:
        of = json.loads(arena.dest.read_bytes(artifact))["source"]
        row.promise(of == hashlib.sha256(bodies[version]).hexdigest(), f"{version} has another's result")
    return row


def _version(key: str, body: bytes) -> str:
    return f"{key}@{hashlib.md5(body, usedforsecurity=False).hexdigest()}"
