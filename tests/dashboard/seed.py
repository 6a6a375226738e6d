"""A fleet in the middle of its work: jobs in every state, made through the queries that make them in earnest.

Names are hostile where a model file could have them so.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from db.models import Attempt, Job
from db.queries import audit, control, queue, schedules, workers
from db.queries.audit import Actor
from db.queries.queue import Claim
from db.records import ArtifactInfo, ErrorInfo, LogTail, ParityInfo, Reason, Usage
from db.states import AttemptOutcome, JobState
from tests.db import zoo

MARKUP = "<img src=x onerror=alert(1)>"
TURNED = "model_\u202egpj.h5"
QUOTED = "a \"quoted\" 'name' & more.h5"
HOSTILE = (f"{MARKUP}.h5", TURNED, QUOTED)

_STAGES = {"download": 0.4, "convert": 1.3, "verify": 6.2, "publish": 0.5}
_OUTPUTS = ("probabilities", "embedding")


def seed(
    sessions: sessionmaker[Session],
    *,
    good: int = 12,
    dest: str = "/bundles",
    hostile: Sequence[str] = HOSTILE,
) -> dict[str, int]:
    """Fill an empty database; returns jobs by key."""
    keys = [f"vision/classifier_{number:03}.h5" for number in range(good)]
    named = ["broken/cut.h5", "custom/gate.h5", "custom/gate_two.h5", "big/dies.h5", "slow/again.h5"]
    waiting = ["run/now.h5", "wait/first.h5", "wait/second.h5", "stopped/by_hand.h5"]
    zoo.new_batch(sessions, [*keys, *named, *waiting, *hostile], source="/models/hospital", dest=dest)
    zoo.new_batch(sessions, ["later/a.h5", "later/b.h5"], source="s3://models/later", options={"fuse": True})
    jobs = zoo.job_ids(sessions)
    _workers(sessions)
    for number, key in enumerate(keys):
        _succeed(sessions, jobs[key], number)
    for key in hostile:
        _refuse(sessions, jobs[key], layer=f"{MARKUP}{TURNED}", subject="Evil<Layer>")
    _fail(sessions, jobs["broken/cut.h5"], "truncated", "broken/cut.h5: truncated: 119654 bytes of 199424")
    for key in ("custom/gate.h5", "custom/gate_two.h5"):
        _refuse(sessions, jobs[key], layer="gate", subject="SpectralGate")
    _die(sessions, jobs["big/dies.h5"])
    _again(sessions, jobs["slow/again.h5"])
    _run(sessions, jobs["run/now.h5"])
    with sessions.begin() as session:
        control.cancel(session, [jobs["stopped/by_hand.h5"]])
        control.hold(session, 2)
        audit.write(session, Actor(f"eve{MARKUP}", "command"), "cancel", "stopped/by_hand.h5", jobs=1)
        schedules.add(
            session,
            name="nightly",
            converter_version="1",
            dest_url=dest,
            options={},
            cron="30 2 * * *",
            timezone="Europe/Berlin",
            source_url="s3://models/incoming",
        )
    return jobs


def report_of(number: int = 0, layers: int = 24) -> dict[str, Any]:
    """What parity measured, as `parity.json` has it."""
    errors = [1e-16 * 10 ** (1.2 + math.sin(depth + number) + depth / layers) for depth in range(layers)]
    return {
        "library": "tf_keras",
        "versions": {"tensorflow": "2.21.0", "torch": "2.13.0"},
        "cases": [{"name": "normal", "description": "3 samples of N(0, 1)", "refused": None}],
        "constructed": [],
        "outputs": [
            {"name": name, "structure": _measured(errors[-1]), "deployment": _measured(2e-7, 3e-5)}
            for name in _OUTPUTS
        ],
        "layers": [
            {"layer": f"block{depth}", "call": 0, "before_activation": False, "structure": _measured(error)}
            for depth, error in enumerate(errors)
        ],
    }


def _measured(error: float, limit: float = 1e-9) -> dict[str, Any]:
    return {"error": error, "limit": limit, "case": "normal", "fault": None}


def _workers(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        for name, device in (("w1", "cpu"), ("w2", "NVIDIA A10 GPU-3f2a")):
            workers.register(
                session,
                name,
                host=f"host-{name}",
                pid=17,
                slots=2,
                device=device,
                versions={"keras2torch": "1", "python": "3.12.1"},
            )
        workers.request_drain(session, "w2")


def _succeed(sessions: sessionmaker[Session], job_id: int, number: int) -> None:
    claim = zoo.claim(sessions, job_id)
    report = report_of(number)
    files: Sequence[ArtifactInfo] = [
        ArtifactInfo(name=name, sha256=f"{job_id:02}{name}", size=size, key=f"cas/{job_id}/{name}")
        for name, size in (("model.py", 1200), ("model.safetensors", 4_800_000), ("manifest.json", 9000))
    ]
    with sessions.begin() as session:
        # The last of them holds what the first did.
        content = f"content-{0 if number == 11 else number}"
        queue.set_content(session, job_id, claim.fence, f"sha-{content}", content)
        queue.finish(
            session,
            job_id,
            claim.fence,
            AttemptOutcome.SUCCEEDED,
            state=JobState.SUCCEEDED,
            manifest_sha256=f"m-{content}",
            artifacts=files,
            usage=_usage(),
            parity=ParityInfo(
                passed=True,
                structure_error=max(each["structure"]["error"] for each in report["layers"]),
                deployment_error=2e-7 * (1 + number),
                structure_limit=1e-9,
                deployment_limit=3e-5,
                device="cpu",
                report=report,
            ),
        )
    _long_ago(sessions, claim, minutes=round(1 + 5 * number + 4 * math.sin(number / 2)))


def _fail(sessions: sessionmaker[Session], job_id: int, kind: str, message: str, *reasons: Reason) -> None:
    claim = zoo.claim(sessions, job_id)
    error = ErrorInfo(kind=kind, message=message, reasons=reasons)
    with sessions.begin() as session:
        queue.finish(
            session,
            job_id,
            claim.fence,
            AttemptOutcome.FAILED,
            state=JobState.FAILED,
            error=error,
            usage=_usage(),
        )
    _long_ago(sessions, claim, minutes=7 * (job_id % 20) + 2)


def _refuse(sessions: sessionmaker[Session], job_id: int, *, layer: str, subject: str) -> None:
    message = f"layer class {subject} is not supported"
    reason = Reason(kind="unsupported-layer", subject=subject, layer=layer, message=message)
    _fail(sessions, job_id, "unsupported-model", f"{layer}: {message}", reason)


def _die(sessions: sessionmaker[Session], job_id: int) -> None:
    error = ErrorInfo(kind="crashed", message="verify: killed by signal 11 (SIGSEGV)")
    for _ in range(3):
        zoo.make_due(sessions, job_id)
        claim = zoo.claim(sessions, job_id)
        with sessions.begin() as session:
            queue.release(
                session,
                job_id,
                claim.fence,
                outcome=AttemptOutcome.CRASHED,
                error=error,
                usage=Usage(
                    signal=11, max_rss_bytes=3 << 30, stage_seconds={"download": 0.3, "convert": 2.0}
                ),
            )


def _again(sessions: sessionmaker[Session], job_id: int) -> None:
    claim = zoo.claim(sessions, job_id, "w2")
    error = ErrorInfo(kind="store-unavailable", message="s3://models: no answer within 30 s")
    with sessions.begin() as session:
        queue.release(
            session,
            job_id,
            claim.fence,
            outcome=AttemptOutcome.POSTPONED,
            delay_s=120,
            error=error,
            usage=_usage(),
        )


def _run(sessions: sessionmaker[Session], job_id: int) -> None:
    claim = zoo.claim(sessions, job_id)
    with sessions.begin() as session:
        said = LogTail(f"--- verify: run_reference\n{MARKUP} {TURNED}\nlayer 7 of 12: ", 70_000)
        queue.heartbeat(session, job_id, claim.fence, 3600, stage="verify", progress=0.4, log=said)


def _usage() -> Usage:
    return Usage(
        exit_code=0,
        max_rss_bytes=260_000_000,
        stage_seconds=_STAGES,
        environment={"device": "cpu"},
        log_key=None,
    )


def _long_ago(sessions: sessionmaker[Session], claim: Claim, *, minutes: int) -> None:
    """Moves an attempt into the past, where the database's clock cannot be told to be."""
    ended = datetime.now(UTC) - timedelta(minutes=minutes)
    started = ended - timedelta(seconds=sum(_STAGES.values()))
    with sessions.begin() as session:
        session.execute(
            update(Attempt)
            .where(Attempt.job_id == claim.job_id, Attempt.fence == claim.fence)
            .values(started_at=started, ended_at=ended, heartbeat_at=ended)
        )
        session.execute(
            update(Job)
            .where(Job.id == claim.job_id)
            .values(created_at=started - timedelta(minutes=3), started_at=started, finished_at=ended)
        )
