"""Finding and removing what a destination need not keep.

Four kinds: uploads that no job needs any more, results that no job which succeeded has, contents that nothing names,
what writers left half done. A result goes before its contents, so that no manifest ever names what is gone. And but for
uploads nothing goes while a job of the destination runs or begins: it may be about to rely on a content that nothing
names yet. What was found is looked up again right before it goes, since jobs may have begun or ended meanwhile.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from dashboard import uploads
from db.queries import destination_lock, garbage
from db.queries.predicates import chunks
from fleet.errors import FleetError
from scheduler.discover import pages
from storage.leftovers import Leftover
from storage.store import ObjectInfo, ObjectStore

_UPLOADS = f"{uploads.FOLDER}/"
_CONTENTS = "cas/sha256/"
_RESULTS = "results/"
_MANIFEST = "/manifest.json"
#: Removed in one transaction, in which no job of the destination begins.
_AT_ONCE = 20


@dataclass(kw_only=True)
class Garbage:
    """What there is to remove from one destination."""

    dest: str
    kept: timedelta
    """How long uploads are kept after they came and after their jobs ended."""
    uploads: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    """Keys of manifests."""
    contents: list[str] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    bytes: int = 0

    @property
    def count(self) -> int:
        """How many things."""
        return len(self.uploads) + len(self.results) + len(self.contents) + len(self.leftovers)


def find(
    sessions: sessionmaker[Session], store: ObjectStore, *, grace: timedelta, keep_uploads: timedelta
) -> Garbage:
    """Uploads older than `keep_uploads`, and all else to be removed that is older than `grace`.

    Memory grows with what is found, not with what is there.
    """
    found = Garbage(dest=store.url, kept=keep_uploads)
    came_before = datetime.now(UTC) - keep_uploads
    for page in pages(store.list(_UPLOADS)):
        old = {each.key: each for each in page if each.last_modified < came_before and _is_upload(each.key)}
        for key in _unneeded(sessions, found, old):
            _note(found, found.uploads, old[key])
    before = datetime.now(UTC) - grace
    still_named: set[str] = set()
    for page in pages(store.list(_RESULTS)):
        manifests = {_content_key(each.key): each for each in page if each.key.endswith(_MANIFEST)}
        with sessions() as session:
            unnamed = garbage.unnamed_results(session, store.url, manifests.keys())
        for content_key in sorted(unnamed):
            if manifests[content_key].last_modified < before:
                _note(found, found.results, manifests[content_key])
            else:
                still_named |= _named_by(store, manifests[content_key].key)
    for page in pages(store.list(_CONTENTS)):
        contents = {_sha256(each.key): each for each in page if each.last_modified < before}
        with sessions() as session:
            unnamed = garbage.unnamed_contents(session, contents.keys())
        for sha256 in sorted(unnamed - still_named):
            _note(found, found.contents, contents[sha256])
    for leftover in store.leftovers():
        if leftover.since < before:
            found.leftovers.append(leftover)
            found.bytes += leftover.size
    return found


def remove(sessions: sessionmaker[Session], store: ObjectStore, found: Garbage) -> None:
    """Remove it.

    Raises:
        FleetError: a job of the destination runs; what is left may be removed another time.
    """
    for keys in chunks(found.uploads, _AT_ONCE):
        for key in _unneeded(sessions, found, keys):
            store.delete(key)
    for results in chunks(found.results, _AT_ONCE):
        with _nobody_at_work(sessions, store) as session:
            unnamed = garbage.unnamed_results(session, store.url, {_content_key(key) for key in results})
            _remove(session, store.delete, [key for key in results if _content_key(key) in unnamed])
    for contents in chunks(found.contents, _AT_ONCE):
        with _nobody_at_work(sessions, store) as session:
            unnamed = garbage.unnamed_contents(session, {_sha256(key) for key in contents})
            _remove(session, store.delete, [key for key in contents if _sha256(key) in unnamed])
    for leftovers in chunks(found.leftovers, _AT_ONCE):
        with _nobody_at_work(sessions, store) as session:
            _remove(session, store.discard, leftovers)


@contextlib.contextmanager
def _nobody_at_work(sessions: sessionmaker[Session], store: ObjectStore) -> Iterator[Session]:
    """A transaction during which no job of this destination runs or begins."""
    with sessions.begin() as session:
        destination_lock.exclusive(session, store.url)
        if running := garbage.running_at(session, store.url):
            raise FleetError(
                f"{running} jobs are at work in {store.url}: hold their batches, or wait, and try again"
            )
        yield session


def _remove(session: Session, take_away: Callable[[Any], None], things: Sequence[Any]) -> None:
    for thing in things:
        take_away(thing)
        # So that the server does not take this transaction for abandoned; if it did, this fails, and nothing more goes.
        session.execute(select(1))


def _unneeded(sessions: sessionmaker[Session], found: Garbage, keys: Collection[str]) -> list[str]:
    """Those of the uploads that no job needs."""
    within = [key.removeprefix(_UPLOADS) for key in keys]
    kept = max(found.kept.total_seconds(), 0.0)
    with sessions() as session:
        unneeded = garbage.unneeded_sources(
            session, f"{found.dest}/{uploads.FOLDER}", within, ended_before_s=kept
        )
    return sorted(_UPLOADS + key for key in unneeded)


def _is_upload(key: str) -> bool:
    return uploads.is_upload(key.removeprefix(_UPLOADS))


def _note(found: Garbage, kind: list[str], what: ObjectInfo) -> None:
    kind.append(what.key)
    found.bytes += what.size


def _content_key(manifest_key: str) -> str:
    return manifest_key.removeprefix(_RESULTS).removesuffix(_MANIFEST)


def _sha256(content_key: str) -> str:
    return content_key.rpartition("/")[2]


def _named_by(store: ObjectStore, manifest_key: str) -> set[str]:
    """Hashes of the contents that a published result needs."""
    return {str(file["sha256"]) for file in json.loads(store.read_bytes(manifest_key))["files"]}
