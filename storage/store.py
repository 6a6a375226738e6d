"""What every store can do, and the values it answers with."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from storage.leftovers import Leftover


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """How to reach S3. Credentials that are not given are found as the AWS tools find them: environment, profile,
    role.
    """

    s3_endpoint_url: str | None = None
    """An S3-compatible endpoint; None: AWS itself."""
    s3_region: str | None = None
    s3_access_key_id: str | None = field(default=None, repr=False)
    s3_secret_access_key: str | None = field(default=None, repr=False)
    s3_attempts: int = 5
    """How often a request is sent before a store that is busy or silent counts as unavailable."""


@dataclass(frozen=True, kw_only=True)
class ObjectInfo:
    """One version of one object."""

    key: str
    """Relative to the store's root, parts separated by `/`."""
    size: int
    """Bytes."""
    etag: str
    """Changes when the content does; says nothing else."""
    version_id: str | None
    last_modified: datetime
    """By the store's clock, in UTC."""


@dataclass(frozen=True)
class PutResult:
    """Whether this call created the object; False: it was there, and nothing was written."""

    created: bool


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """What a store turned out to be able to do."""

    writable: bool
    """False also where writing was not asked about."""
    conditional_writes: bool
    """Creates an object only if absent, as one step. Without it, two writers may both believe they did."""
    clock_skew_seconds: float | None
    """The store's clock minus ours; None where the store has no clock of its own."""


class ObjectStore(Protocol):
    """Objects by key. Safe to share between threads.

    Every method raises `errors.StorageError` (a one-line message) and nothing else for what goes wrong with
    the store or the disk; nothing half-written is ever left under a key or a path.
    """

    @property
    def url(self) -> str:
        """The store's one canonical address: equal for every spelling of the same place."""

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[ObjectInfo]:
        """Objects whose key begins with `prefix`, in the order of their keys' UTF-8 bytes, page by page."""

    def stat(self, key: str) -> ObjectInfo:
        """The object's present version."""

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""

    def fetch(self, key: str, path: Path, *, etag: str | None = None, version_id: str | None = None) -> str:
        """Copies the object to the file `path` (replacing it); returns the hex SHA-256 of what was copied.

        Raises:
            errors.ObjectChanged: it is not, or during the copy ceased to be, the version asked for.
        """

    def read_bytes(self, key: str, *, max_bytes: int = 16 << 20) -> bytes:
        """The whole of a small object; one larger than `max_bytes` is refused."""

    def read_range(
        self, key: str, start: int, stop: int, *, etag: str | None = None, version_id: str | None = None
    ) -> bytes:
        """The bytes from `start` up to `stop`, both within the object; asked for again where the answer was cut.

        Raises:
            errors.ObjectChanged: it is not the version asked for.
        """

    def link(self, key: str, seconds: int, disposition: str) -> str | None:
        """An address at which anybody may read the object for so many seconds, without asking the store for anything.

        It answers with `disposition` as its Content-Disposition. None: this store has no such addresses.
        """

    def put_file(
        self, key: str, path: Path, *, if_absent: bool = True, sha256: str | None = None
    ) -> PutResult:
        """Stores a file. With `if_absent`, an object already there stays as it is.

        `sha256` is what the content must be: the file's, or else `ObjectDamaged`; and that of an object
        already there, or else `ObjectDiffers`.
        """

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = True) -> PutResult:
        """Stores `data`. With `if_absent`, an object already there stays as it is, whatever it holds."""

    def copy(self, key: str, to: str) -> None:
        """Puts what is under `key` under `to` as well, in place of what is there; no bytes leave the store.

        In a folder the two may then be one file under two names.
        """

    def delete(self, key: str) -> None:
        """Removes the object; not being there is fine."""

    def leftovers(self) -> Iterator[Leftover]:
        """What interrupted writers left under temporary names, or uploaded in part. A living one's are among them."""

    def discard(self, leftover: Leftover) -> None:
        """Removes it; not being there is fine."""

    def probe(self, *, write: bool) -> ProbeReport:
        """Lists; with `write`, also creates and deletes a small object. Raises what stands in the way."""
