"""`fleet job ID --log`: what the processes of an attempt said, or say: to be read once, or followed to its end."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from db.queries import published
from db.queries.job_detail import JobDetail
from db.records import LogTail
from db.states import TERMINAL
from fleet import browse, connect, remote
from fleet.answering import print_json, server_of, sessions_of
from fleet.errors import FleetError, UsageError
from fleet.settings import load_settings
from keras2torch.errors import one_line

_LOOK_SECONDS = 1.0
_MOST = 64 << 20
_MATCHED = 200


@dataclass(frozen=True)
class Heard:
    """A log as it is now."""

    state: str
    """As `db.queries.published.Log.state`."""
    tail: LogTail


@dataclass(frozen=True)
class Source:
    """Where a job and its logs are asked for: a database and its stores, or a server.

    Both raise `FleetError` where there is none, and `log` a `StorageError` where its store does not give it.
    """

    job: Callable[[], JobDetail]
    log: Callable[[int], Heard]


def source_of(dest: str | None, job_id: int) -> Source:
    """Of a job: where `--server`, `--dest` or the settings say."""
    if server := server_of(dest):

        def asked(fence: int) -> Heard:
            text, state, said = remote.log(server, job_id, fence)
            return Heard(state, LogTail(text, len(text) if said is None else said))

        return Source(lambda: remote.job(server, job_id), asked)
    sessions, settings = sessions_of(dest), load_settings()

    def job() -> JobDetail:
        with sessions() as session:
            return browse.detail(session, job_id)

    def log(fence: int) -> Heard:
        with sessions() as session:
            found = published.log_of(session, job_id, fence)
        if found is None or found.state is None:
            raise FleetError(f"no log of attempt {fence} at job {job_id}")
        if found.key is None:
            return Heard(found.state, found.tail or LogTail("", 0))
        content = connect.open_store(found.dest_url, settings).read_bytes(found.key, max_bytes=_MOST)
        text = content.decode(errors="replace")
        return Heard("stored", LogTail(text, len(text)))

    return Source(job, log)


def show(job_id: int, dest: str | None, *, attempt: int | None, follow: bool, as_json: bool) -> None:
    """Print it; with `follow`, wait for an attempt, and go on until it has ended."""
    if follow and as_json:
        raise UsageError("--follow has no end to put into one JSON document")
    source = source_of(dest, job_id)
    fence = attempt or _newest(source, job_id, wait=follow)
    if as_json:
        print_json(_document(job_id, fence, source.log(fence)))
        return
    last = "\n"
    for text in followed(lambda: source.log(fence)) if follow else [source.log(fence).tail.text]:
        sys.stdout.write("\n".join(one_line(line, _MOST) for line in text.split("\n")))
        sys.stdout.flush()
        last = text or last
    if not last.endswith("\n"):
        sys.stdout.write("\n")


def followed(look: Callable[[], Heard]) -> Iterator[str]:
    """What is there, and whatever comes, until the attempt has ended."""
    before = LogTail("", 0)
    while True:
        heard = look()
        if heard.state == "stored":
            yield _behind(before, heard.tail.text)
            return
        if heard.tail.said > before.said:
            yield heard.tail.since(before.said)
            before = heard.tail
        if heard.state == "partial":
            return
        time.sleep(_LOOK_SECONDS)


def _behind(before: LogTail, whole: str) -> str:
    """Of a stored log what was not printed while it grew; all of it, where it cannot be told."""
    last = before.text[-_MATCHED:]
    if whole[: before.said].endswith(last):
        return whole[before.said :]
    at = whole.rfind(last)
    return whole[at + len(last) :] if at >= 0 else f"\n--- all of it\n{whole}"


def _newest(source: Source, job_id: int, *, wait: bool) -> int:
    """The newest attempt that runs or has said anything."""
    while True:
        job = source.job()
        for attempt in reversed(job.attempts):
            if attempt.has_log:
                return attempt.fence
        if not wait or job.state in TERMINAL:
            raise FleetError(f"no attempt at job {job_id} has said anything")
        time.sleep(_LOOK_SECONDS)


def _document(job_id: int, fence: int, heard: Heard) -> dict[str, Any]:
    return {
        "job": job_id,
        "attempt": fence,
        "log": heard.state,
        "said": heard.tail.said,
        "text": heard.tail.text,
    }
