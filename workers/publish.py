"""A bundle's way into the destination store, in the one order that a crash cannot spoil.

Contents first, each under its own hash; the result's manifest last, and only if there is none; then, and
then only, the database. Whoever finds a manifest finds everything it names. By name, for people, comes
after all that.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.records import ArtifactInfo
from storage.errors import ObjectDamaged, ObjectMissing
from storage.store import ObjectStore

_SCHEMA_VERSION = 1
_BLOCK = 1 << 20
_SHARED_BYTES = 1 << 20
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Result:
    """A published result: its files, and the digest of the manifest that names them."""

    files: tuple[ArtifactInfo, ...]
    manifest_sha256: str


def publish(
    store: ObjectStore, bundle: Path, *, content_key: str, facts: Mapping[str, Any], pool: Executor
) -> Result:
    """Publish all of `bundle`; `facts` go into the manifest. A result that is already there stands, and `bundle` then
    holds what it says: another job's README, of the same content, names another source.

    Files go out at once, on the threads of `pool`: nearly all of the time is spent waiting for a disk or a
    bucket.

    Raises: storage.errors.StorageError: the store refused, is unavailable, or holds other bytes under
    one of the hashes.
    """
    files = [_describe(bundle, path) for path in sorted(bundle.rglob("*")) if path.is_file()]
    _each(pool, files, lambda file: store.put_file(file.key, bundle / file.name, sha256=file.sha256))
    manifest = _render(content_key, files, facts)
    if store.put_bytes(_manifest_key(content_key), manifest).created:
        return Result(tuple(files), hashlib.sha256(manifest).hexdigest())
    standing = find(store, content_key)
    assert standing is not None
    if not fetch(store, standing, bundle):
        raise ObjectDamaged(store.url, _manifest_key(content_key), "what it names is not what it says")
    return standing


def put_content(store: ObjectStore, content: bytes) -> str:
    """Keep `content` under its own hash; returns the hash, in hex."""
    sha256 = hashlib.sha256(content).hexdigest()
    store.put_bytes(key_of(sha256), content)
    return sha256


def find(store: ObjectStore, content_key: str) -> Result | None:
    """The result that is already published for this content, if there is one."""
    try:
        manifest = store.read_bytes(_manifest_key(content_key))
    except ObjectMissing:
        return None
    files = tuple(
        ArtifactInfo(name=file["path"], sha256=file["sha256"], size=file["bytes"], key=key_of(file["sha256"]))
        for file in json.loads(manifest)["files"]
    )
    return Result(files, hashlib.sha256(manifest).hexdigest())


def fetch(store: ObjectStore, result: Result, folder: Path) -> bool:
    """Bring a published result into `folder`; False if any of it is not what its manifest says, or not there."""
    for file in result.files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if store.fetch(file.key, path) != file.sha256:
                return False
        except ObjectMissing:
            return False
    return True


def put_by_name(store: ObjectStore, bundle: Path, result: Result, source_key: str, *, pool: Executor) -> None:
    """Put the bundle where a person looks for it: under the name of its source, manifest last."""
    door = door_of(source_key)

    def put(file: ArtifactInfo) -> None:
        # Weights stay one file; text is copied, for people edit it, and must not edit what others share.
        if file.size >= _SHARED_BYTES:
            store.copy(file.key, f"{door}/{file.name}")
        else:
            store.put_file(f"{door}/{file.name}", bundle / file.name, if_absent=False, sha256=file.sha256)

    _each(pool, [file for file in result.files if file.name != MANIFEST], put)
    _each(pool, [file for file in result.files if file.name == MANIFEST], put)


def door_of(source_key: str) -> str:
    """`by-name/<key>`, without `.h5`; another suffix stays, or `a.h5` and `a.keras` would share a folder."""
    return f"by-name/{source_key.removesuffix('.h5')}"


def _each(pool: Executor, files: Sequence[ArtifactInfo], put: Callable[[ArtifactInfo], object]) -> None:
    """Put every file, and wait for all of them even if one fails: none may still be on its way afterwards."""
    under_way = [pool.submit(put, file) for file in files]
    wait(under_way)
    for done in under_way:
        done.result()


def key_of(sha256: str) -> str:
    """Where content with this hash is kept."""
    return f"cas/sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _manifest_key(content_key: str) -> str:
    return f"results/{content_key}/manifest.json"


def _describe(bundle: Path, path: Path) -> ArtifactInfo:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    sha256 = digest.hexdigest()
    return ArtifactInfo(
        name=path.relative_to(bundle).as_posix(), sha256=sha256, size=size, key=key_of(sha256)
    )


def _render(content_key: str, files: list[ArtifactInfo], facts: Mapping[str, Any]) -> bytes:
    manifest = {
        "schema_version": _SCHEMA_VERSION,
        "content_key": content_key,
        **facts,
        "files": [{"path": file.name, "bytes": file.size, "sha256": file.sha256} for file in files],
    }
    return (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
