"""One job, from claim to commit: claim, download, read, convert, verify, publish, finish.

Between claim and finish no transaction is open. Each write to the database names the fence of this attempt,
so an attempt that was given up for dead may go on as long as it likes: nothing it writes counts.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

import keras2torch
from db import identity, outage
from db.errors import LeaseLost
from db.queries import inventory, queue, waiting
from db.queries.queue import Claim
from db.records import ParityInfo, Reason, Usage
from db.states import AttemptOutcome, JobState
from keras2torch.errors import one_line
from storage.errors import StorageError
from storage.store import ObjectStore
from workers import claiming, errors, exports, inbox, isolation, machine, proof, publish, recipe, verdict
from workers.admission import Admission, estimate
from workers.child_log import ChildLog
from workers.drain import Leases
from workers.isolation import Sandboxes
from workers.lease import Lease, Stop
from workers.outages import Outages
from workers.scratch import Scratch
from workers.settings import WorkerSettings
from workers.slots import CPU, Slot, Slots

log = logging.getLogger(__name__)

_RECORD_RETRY_SECONDS = 1.0
_NOTHING = Usage()
#: Object stores allow longer names than file systems; the end of a name holds its suffix.
_NAME_LENGTH = 60


@dataclass(frozen=True, kw_only=True)
class Shop:
    """What a worker process has and every job in it uses; safe for many threads."""

    worker_id: str
    settings: WorkerSettings
    sessions: sessionmaker[Session]
    open_store: Callable[[str], ObjectStore]
    sandboxes: Sandboxes
    scratch: Scratch
    leases: Leases
    pool: Executor
    """Threads that carry files to the destination."""
    slots: Slots = field(default_factory=lambda: Slots([CPU]))
    admission: Admission = field(default_factory=lambda: Admission(machine.memory_bytes()))
    outages: Outages = field(default_factory=Outages)


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a successful attempt has to tell."""

    result: publish.Result
    parity: ParityInfo | None
    reused_from: int | None = None


def convert_job(shop: Shop, job_id: int) -> AttemptOutcome | None:
    """Do the job if it is there to be done; None when it is not: a second message, held, not yet due."""
    if shop.leases.draining:
        return None
    with shop.sessions.begin() as session:
        found = waiting.look(session, job_id)
        if found is None:
            return None
        need = shop.admission.need_of(found.size, found.queue)
        if found.queue == inbox.DEFAULT_QUEUE and estimate(found.size) > shop.settings.job_memory_bytes:
            # More than a job may have here; on the other queue it has a worker to itself.
            waiting.send_to(session, job_id, inbox.LARGE_QUEUE, needs_bytes=need)
            return None
    if not shop.outages.wait_for({found.store_url, found.dest_url}, shop.open_store, shop.leases):
        return None
    with shop.admission.admitted(job_id, need, lambda: shop.leases.draining) as admitted:
        if not admitted:
            return None
        with shop.slots.lent() as slot:
            return _claim_and_do(shop, job_id, slot)


def _claim_and_do(shop: Shop, job_id: int, slot: Slot) -> AttemptOutcome | None:
    claim = claiming.claimed(shop.sessions, shop.worker_id, job_id, shop.settings.lease_seconds, shop.leases)
    if claim is None:
        return None
    with ExitStack() as afterwards:
        try:
            lease = afterwards.enter_context(shop.leases.hold(shop.sessions, claim, shop.settings))
        except LeaseLost:
            return None
        attempt = _Attempt(shop, claim, lease, slot)
        # Whatever goes wrong in an attempt is an answer about the job, and the table in `verdict` gives it.
        try:
            done = attempt.work(afterwards.enter_context(shop.scratch.desk(job_id, claim.fence)))
        except Exception as error:  # noqa: BLE001
            outcome = attempt.give_up(error)
        else:
            outcome = attempt.succeed(done)
    log.info("job %d (%s): %s", job_id, one_line(claim.key), outcome or "lease lost")
    return outcome


class _Attempt:
    """The stages, in the order in which they run."""

    source: Path
    bundle: Path
    proof: Path
    given: Path
    """What the caller gave beside the source, such as an architecture."""

    def __init__(self, shop: Shop, claim: Claim, lease: Lease, slot: Slot) -> None:
        self.shop = shop
        large = claim.queue == inbox.LARGE_QUEUE
        # What ran out of memory may have done so on the GPU, and is judged beside it the second time.
        beside = (large and claim.lost_count) or not slot.has_room_for(claim.size)
        self.slot = CPU if beside else slot
        self.memory_bytes = shop.settings.job_memory_bytes
        if large:
            self.memory_bytes = max(self.memory_bytes, shop.admission.memory_bytes)
        self.claim = claim
        self.lease = lease
        self.deadline = time.monotonic() + shop.settings.job_timeout_seconds
        self.peak_bytes = self.gpu_peak_bytes = 0
        self.walls: dict[str, tuple[str, ...]] = {}
        self.log = ChildLog()

    def work(self, desk: Path) -> Done:
        """Every stage up to what is to be recorded; `desk` is an empty folder of its own."""
        if self.claim.converter_version != keras2torch.__version__:
            raise errors.Refused(
                "other-converter",
                f"planned for converter {self.claim.converter_version}, this worker has {keras2torch.__version__}:"
                " plan it again",
            )
        # The source stands apart: the child that converts it may read it, and write everywhere but there.
        self.source = desk / "source" / Path(self.claim.key).name[-_NAME_LENGTH:]
        self.bundle = desk / "work" / "bundle"
        self.proof = desk / "proof"
        self.given = desk / "given"
        for folder in (self.source.parent, self.bundle.parent, self.proof, self.given):
            folder.mkdir()
        dest = self.shop.open_store(self.claim.dest_url)
        content_key, reuse = self.download()
        if (done := self.adopt(dest, content_key, reuse)) is not None:
            return done
        self.convert(dest)
        self.export()
        parity = self.verify()
        return self.publish_bundle(dest, content_key, parity)

    def download(self) -> tuple[str, queue.Reuse | None]:
        """Bring the source here; its hash decides whether this work was done before."""
        self.enter("download")
        claim = self.claim
        sha256 = self.shop.open_store(claim.store_url).fetch(
            claim.key, self.source, etag=claim.etag, version_id=claim.version_id
        )
        content_key = identity.content_key(sha256, claim.converter_version, claim.options)
        with self.shop.sessions.begin() as session:
            return content_key, queue.set_content(session, claim.job_id, claim.fence, sha256, content_key)

    def adopt(self, dest: ObjectStore, content_key: str, reuse: queue.Reuse | None) -> Done | None:
        """Take over a published result: another job's, or that of an attempt that died before its commit."""
        result = publish.find(dest, content_key)
        if result is None:
            return None
        if not publish.fetch(dest, result, self.bundle):
            log.warning("job %d: the published result %s is damaged", self.claim.job_id, content_key)
            return None
        self.enter("publish")
        self.put_by_name(dest, result)
        return Done(
            result=result, parity=proof.read(self.bundle), reused_from=reuse.job_id if reuse else None
        )

    def convert(self, dest: ObjectStore) -> None:
        self.enter("convert")
        arguments = recipe.arguments_of(self.claim.options, dest, self.given)
        answer = self.run(
            isolation.ENGINE,
            "workers.steps:convert",
            {
                "source": str(self.source),
                "out": str(self.bundle),
                "name": self.claim.key,
                "options": arguments,
            },
            workdir=self.bundle.parent,
            readable=(self.source.parent, self.given),
        )
        if (refused := answer.get("refused")) is not None:
            reasons = tuple(Reason(**reason) for reason in refused["reasons"])
            raise errors.Refused(refused["kind"], refused["message"], reasons)

    def export(self) -> None:
        if formats := recipe.exports_of(self.claim.options):
            self.enter("export")
            exports.add_exports(self.run, self.bundle, formats, name=self.claim.key)

    def verify(self) -> ParityInfo:
        self.enter("verify")
        parity = proof.prove(
            self.run, source=self.source, bundle=self.bundle, workdir=self.proof, device=self.slot.device
        )
        if not parity.passed:
            raise errors.ParityFailed(proof.sentence(parity), parity)
        return parity

    def publish_bundle(self, dest: ObjectStore, content_key: str, parity: ParityInfo) -> Done:
        self.enter("publish")
        facts = {
            "converter_version": self.claim.converter_version,
            "options": dict(self.claim.options),
        }
        result = publish.publish(dest, self.bundle, content_key=content_key, facts=facts, pool=self.shop.pool)
        self.put_by_name(dest, result)
        return Done(result=result, parity=parity)

    def put_by_name(self, dest: ObjectStore, result: publish.Result) -> None:
        """Show the bundle under its source's name, unless a later version of the source has come."""
        with self.shop.sessions() as session:
            newest = inventory.is_newest(session, self.claim.source_id)
        if newest:
            publish.put_by_name(dest, self.bundle, result, self.claim.key, pool=self.shop.pool)

    def succeed(self, done: Done) -> AttemptOutcome | None:
        """Record a success; None: the lease was lost, and the result belongs to whoever holds it now."""
        outcome = AttemptOutcome.REUSED if done.reused_from else AttemptOutcome.SUCCEEDED
        return self.finish(
            outcome,
            JobState.SUCCEEDED,
            artifacts=done.result.files,
            parity=done.parity,
            manifest_sha256=done.result.manifest_sha256,
            reused_from=done.reused_from,
        )

    def give_up(self, error: Exception) -> AttemptOutcome | None:
        """Record anything but a success; None: the lease was lost, and nothing is ours to record."""
        if isinstance(error, LeaseLost) or self.lease.reason is Stop.LOST:
            return None
        if self.lease.reason is not None and isinstance(error, (errors.Stopped, errors.ChildDied)):
            if self.lease.reason is Stop.CANCELLED:
                return self.finish(AttemptOutcome.CANCELLED, JobState.CANCELLED)
            return self.release(AttemptOutcome.DRAINED)
        self.shop.outages.note(error, {self.claim.store_url, self.claim.dest_url})
        judged = verdict.judge(error, self.claim, patience_s=self.shop.settings.outage_seconds)
        if judged.error.kind == "internal-error":
            log.error("job %d: %s", self.claim.job_id, judged.error.message, exc_info=error)
        self.peak_bytes = max(self.peak_bytes, judged.usage.max_rss_bytes or 0)
        if judged.again:
            return self.release(
                judged.outcome, judged.usage, error=judged.error, delay_s=judged.delay_s, queue=judged.queue
            )
        parity = error.parity if isinstance(error, errors.ParityFailed) else None
        return self.finish(judged.outcome, judged.state, judged.usage, error=judged.error, parity=parity)

    def keep_log(self) -> str | None:
        """Store what the children wrote; returns where, or None if nothing is kept."""
        said = self.log.content()
        if not said or self.lease.stop.is_set():  # told to stop means soon
            return None
        key = f"logs/{self.claim.job_id}/{self.claim.fence}.log"
        try:
            self.shop.open_store(self.claim.dest_url).put_bytes(key, said, if_absent=False)
        except StorageError as unkept:
            log.warning("job %d: log not kept: %s", self.claim.job_id, unkept)
            return None
        return key

    def finish(
        self, outcome: AttemptOutcome, state: JobState, ending: Usage = _NOTHING, **found: Any
    ) -> AttemptOutcome | None:
        usage = self.usage(ending)
        return self.record(outcome, queue.finish, state=state, usage=usage, **found)

    def release(
        self, outcome: AttemptOutcome, ending: Usage = _NOTHING, **found: Any
    ) -> AttemptOutcome | None:
        usage = self.usage(ending)
        return self.record(outcome, queue.release, usage=usage, **found)

    def record(
        self, outcome: AttemptOutcome, write: Callable[..., bool], **values: Any
    ) -> AttemptOutcome | None:
        """Write the end of this attempt, however long the database is away, while the lease stands.

        A commit whose answer was lost is simply tried again: the second time the fence no longer matches.
        """
        while True:
            try:
                with self.shop.sessions.begin() as session:
                    recorded = write(session, self.claim.job_id, self.claim.fence, outcome=outcome, **values)
                return outcome if recorded else None
            except SQLAlchemyError as error:
                if not outage.is_outage(error):
                    raise
                log.warning("job %d: end not recorded: %s", self.claim.job_id, str(error).splitlines()[0])
                time.sleep(_RECORD_RETRY_SECONDS)
                # Not its reason: a worker that drains while the database is away would never end.
                if self.lease.lost:
                    return None

    def enter(self, stage: str) -> None:
        """Go on to a stage, unless the job was told to stop."""
        if self.lease.stop.is_set():
            raise errors.Stopped(f"{stage}: stopped")
        self.lease.enter(stage)

    def run(
        self,
        server: str,
        target: str,
        payload: dict[str, Any],
        *,
        workdir: Path,
        readable: tuple[Path, ...] = (),
    ) -> Any:
        """Run one step in a confined child, within what is left of the job's time."""
        step = target.rpartition(":")[2]
        begun, ended = proof.SHARES.get(step, (0.0, 1.0))
        self.lease.progress(begun)
        self.lease.log.begin(self.lease.stage or "start", step)

        def advance(told: dict[str, Any]) -> None:
            # The child may have been taken over by what it works on, and say anything.
            share = told.get("share")
            if isinstance(share, float) and 0 <= share <= 1:
                self.lease.progress(begun + share * (ended - begun))

        try:
            outcome = self.shop.sandboxes.run(
                server,
                target,
                payload,
                stage=self.lease.stage or "start",
                workdir=workdir,
                readable=readable,
                seconds=self.deadline - time.monotonic(),
                stop=self.lease.stop,
                env=self.slot.environment if server == isolation.TORCH else None,
                memory_bytes=self.memory_bytes,
                on_progress=advance,
                on_log=self.lease.log.hear,
            )
        except (errors.ChildDied, errors.ChildFailed) as error:
            self.log.add(self.lease.stage or "start", step, error.outcome.log_tail)
            raise
        self.log.add(self.lease.stage or "start", step, outcome.log_tail)
        self.peak_bytes = max(self.peak_bytes, outcome.max_rss)
        self.gpu_peak_bytes = max(self.gpu_peak_bytes, proof.gpu_peak_bytes(outcome.result))
        self.walls[step] = outcome.walls
        return outcome.result

    def usage(self, ending: Usage) -> Usage:
        return replace(
            ending,
            max_rss_bytes=self.peak_bytes or None,
            log_key=self.keep_log(),
            stage_seconds=self.lease.stage_seconds(),
            environment={
                **self.slot.facts,
                "gpu_peak_bytes": self.gpu_peak_bytes or None,
                "walls": self.walls,
            },
        )
