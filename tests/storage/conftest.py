from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage import ObjectStore, StoreSettings, open_store


@pytest.fixture(params=["folder", "bucket", "part of a bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    """An empty store of each kind: every test that asks for it runs on all."""
    if request.param == "folder":
        yield open_store(str(tmp_path / "store"))
        return
    server = request.getfixturevalue("s3_server")
    bucket = request.getfixturevalue("s3_bucket")
    settings = StoreSettings(s3_endpoint_url=server.endpoint)
    prefix = "/teams/vision" if request.param == "part of a bucket" else ""
    if prefix:
        # Neighbours that a prefix without its slash would let in.
        outside = open_store(f"s3://{bucket}", settings)
        outside.put_bytes("teams/vision2/other.h5", b"not ours")
        outside.put_bytes("teams/vision", b"not ours")
    yield open_store(f"s3://{bucket}{prefix}", settings)


@pytest.fixture
def write_file(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Makes a file outside of the store."""

    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write
