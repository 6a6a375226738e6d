"""Finding and removing what interrupted work left in a destination.

Three kinds: results that no job which succeeded has, contents that nothing names, what writers left half done. A result
goes before its contents, so that no manifest ever names what is gone. And nothing goes while a job of the destination
runs: it may be about to rely on a content that nothing names yet.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session, sessionmaker

from db.queries import garbage
from db.queries.predicates import chunks
from fleet.errors import FleetError
from scheduler.discover import pages
from storage.leftovers import Leftover
from storage.store import ObjectInfo, ObjectStore

_CONTENTS = "cas/sha256/"
_RESULTS = "results/"
_MANIFEST = "/manifest.json"
#: Between two looks at whether a job runs by now; a job needs longer from its claim to its first upload.
_AT_ONCE = 20


@dataclass(kw_only=True)
class Garbage:
    """What there is to remove from one destination."""

    dest: str
    results: list[str] = field(default_factory=list)
    """Keys of manifests."""
    contents: list[str] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    bytes: int = 0

    @property
    def count(self) -> int:
        """How many things."""
        return len(self.results) + len(self.contents) + len(self.leftovers)


def find(sessions: sessionmaker[Session], store: ObjectStore, *, grace: timedelta) -> Garbage:
    """Everything to be removed that is older than `grace`; memory grows with what is found, not with what is there."""
    found = Garbage(dest=store.url)
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
        contents = {each.key.rpartition("/")[2]: each for each in page if each.last_modified < before}
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
    steps: list[tuple[Sequence[object], Callable[..., None]]] = [
        (found.results, store.delete),
        (found.contents, store.delete),
        (found.leftovers, store.discard),
    ]
    for things, take_away in steps:
        for group in chunks(things, _AT_ONCE):
            with sessions() as session:
                if running := garbage.running_at(session, store.url):
                    raise FleetError(
                        f"{running} jobs are at work in {store.url}: hold their batches, or wait, and try again"
                    )
            for thing in group:
                take_away(thing)


def _note(found: Garbage, kind: list[str], what: ObjectInfo) -> None:
    kind.append(what.key)
    found.bytes += what.size


def _content_key(manifest_key: str) -> str:
    return manifest_key.removeprefix(_RESULTS).removesuffix(_MANIFEST)


def _named_by(store: ObjectStore, manifest_key: str) -> set[str]:
    """Hashes of the contents that a published result needs."""
    return {str(file["sha256"]) for file in json.loads(store.read_bytes(manifest_key))["files"]}
