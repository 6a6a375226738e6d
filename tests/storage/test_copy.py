"""Copies within a store, on folders and on S3."""

import hashlib
from pathlib import Path

import pytest

from storage import ObjectStore, StoreSettings, open_store
from storage.errors import ObjectMissing, StoreRefused
from tests import servers


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    server: servers.S3 = request.getfixturevalue("s3_server")
    bucket = request.getfixturevalue("s3_bucket")
    return open_store(f"s3://{bucket}/below", StoreSettings(s3_endpoint_url=server.endpoint))


def test_a_copy_holds_the_same_and_replaces_what_was_there(store: ObjectStore, tmp_path: Path) -> None:
    content = b"weights" * 1000
    store.put_bytes("cas/one", content)
    store.put_bytes("by-name/a/one", b"older")
    store.copy("cas/one", "by-name/a/one")
    assert store.read_bytes("by-name/a/one") == content
    # The hash is checked against the one it was put with, which the copy must have kept.
    assert store.fetch("by-name/a/one", tmp_path / "x") == hashlib.sha256(content).hexdigest()
    assert [found.key for found in store.list()] == ["by-name/a/one", "cas/one"]


def test_copying_again_changes_nothing(store: ObjectStore) -> None:
    store.put_bytes("one", b"1")
    store.copy("one", "two")
    store.copy("one", "two")
    assert [found.key for found in store.list()] == ["one", "two"]


def test_deleting_a_copy_leaves_the_original(store: ObjectStore) -> None:
    store.put_bytes("one", b"1")
    store.copy("one", "two")
    store.delete("two")
    assert store.read_bytes("one") == b"1"


def test_replacing_a_copy_leaves_the_original(store: ObjectStore) -> None:
    store.put_bytes("one", b"1")
    store.copy("one", "two")
    store.put_bytes("two", b"2", if_absent=False)
    assert store.read_bytes("one") == b"1"


def test_what_is_not_there_cannot_be_copied(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        store.copy("nothing", "two")
    assert not store.exists("two")


def test_no_copy_leads_out_of_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = open_store(str(root))
    store.put_bytes("one", b"1")
    (tmp_path / "outside").mkdir()
    (root / "door").symlink_to(tmp_path / "outside")
    with pytest.raises(StoreRefused):
        store.copy("one", "door/one")
    assert list((tmp_path / "outside").iterdir()) == []
