"""What every store promises, on a folder, on a bucket, and on a part of a bucket."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage import ObjectStore
from storage.errors import ObjectChanged, ObjectDamaged, ObjectDiffers, ObjectMissing, StoreRefused

Write = Callable[[str, bytes], Path]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def seed(store: ObjectStore, *keys: str) -> None:
    for key in keys:
        store.put_bytes(key, key.encode())


# S3 sorts by bytes: "-" and "." come before "/", which comes before "0"; "é" is two bytes, both large.
IN_ORDER = ["a-b.h5", "a.h5", "a/b.h5", "a/b/c.h5", "a0.h5", "b c+d%.h5", "z.h5", "é/ü.h5"]


def test_listing_is_in_the_order_of_bytes(store: ObjectStore) -> None:
    seed(store, *reversed(IN_ORDER))
    assert [found.key for found in store.list()] == IN_ORDER


@pytest.mark.parametrize("after", range(len(IN_ORDER)))
def test_listing_continues_behind_any_key(store: ObjectStore, after: int) -> None:
    seed(store, *IN_ORDER)
    assert [found.key for found in store.list(start_after=IN_ORDER[after])] == IN_ORDER[after + 1 :]


@pytest.mark.parametrize("after", ["a", "a/", "a/zzz", "b", "~", "zzz"])
def test_listing_continues_behind_a_key_that_is_gone(store: ObjectStore, after: str) -> None:
    seed(store, *IN_ORDER)
    expected = [key for key in IN_ORDER if key.encode() > after.encode()]
    assert [found.key for found in store.list(start_after=after)] == expected


@pytest.mark.parametrize("prefix", ["a", "a/", "a/b/", "z.h5", "nothing", "é"])
def test_listing_under_a_prefix(store: ObjectStore, prefix: str) -> None:
    seed(store, *IN_ORDER)
    assert [found.key for found in store.list(prefix)] == [key for key in IN_ORDER if key.startswith(prefix)]


def test_what_is_listed_is_what_stat_says(store: ObjectStore) -> None:
    store.put_bytes("a.h5", b"12345")
    (listed,) = store.list()
    found = store.stat("a.h5")
    assert (listed.key, listed.size, listed.etag) == ("a.h5", 5, found.etag)
    assert listed.last_modified.utcoffset() == timedelta(0)
    assert abs(listed.last_modified - datetime.now(UTC)) < timedelta(minutes=1)


def test_an_etag_tells_versions_apart(store: ObjectStore) -> None:
    store.put_bytes("a.h5", b"one")
    before = store.stat("a.h5").etag
    assert store.stat("a.h5").etag == before
    store.put_bytes("a.h5", b"two", if_absent=False)
    assert store.stat("a.h5").etag != before


def test_fetch_copies_and_hashes(store: ObjectStore, tmp_path: Path) -> None:
    data = b"x" * (3 << 20) + b"end"
    store.put_bytes("a.h5", data)
    target = tmp_path / "copy.h5"
    target.write_bytes(b"an older file")
    assert store.fetch("a.h5", target, etag=store.stat("a.h5").etag) == sha256(data)
    assert target.read_bytes() == data


def test_fetch_refuses_another_version_than_the_one_listed(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes("a.h5", b"one")
    etag = store.stat("a.h5").etag
    store.put_bytes("a.h5", b"two", if_absent=False)
    with pytest.raises(ObjectChanged, match=r"a\.h5"):
        store.fetch("a.h5", tmp_path / "copy.h5", etag=etag)
    assert not (tmp_path / "copy.h5").exists()


READS: dict[str, Callable[[ObjectStore, str, Path], object]] = {
    "stat": lambda store, key, _: store.stat(key),
    "read": lambda store, key, _: store.read_bytes(key),
    "fetch": lambda store, key, path: store.fetch(key, path),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_what_is_not_there_is_missing(
    store: ObjectStore, tmp_path: Path, read: Callable[[ObjectStore, str, Path], object]
) -> None:
    store.put_bytes("folder/a.h5", b"")
    for key in ("b.h5", "folder", "folder/a.h5/b"):
        with pytest.raises(ObjectMissing) as caught:
            read(store, key, tmp_path / "copy")
        assert str(caught.value).startswith(f"{store.url}/{key}: ")
        assert "\n" not in str(caught.value)
        assert not store.exists(key)


def test_put_and_read_back(store: ObjectStore, write_file: Write) -> None:
    assert store.put_bytes("a/b.json", b"{}").created
    assert store.read_bytes("a/b.json") == b"{}"
    assert store.put_file("cas/aa", write_file("weights", b"ww"), sha256=sha256(b"ww")).created
    assert store.read_bytes("cas/aa") == b"ww"
    assert store.exists("cas/aa")


def test_an_empty_object(store: ObjectStore, write_file: Write, tmp_path: Path) -> None:
    assert store.put_file("empty", write_file("empty", b"")).created
    assert store.fetch("empty", tmp_path / "copy") == sha256(b"")
    assert (tmp_path / "copy").stat().st_size == 0


def test_what_is_there_stays_unless_told_otherwise(store: ObjectStore, write_file: Write) -> None:
    assert store.put_bytes("key", b"first").created
    assert not store.put_bytes("key", b"second").created
    assert not store.put_file("key", write_file("third", b"third")).created
    assert store.read_bytes("key") == b"first"
    assert store.put_bytes("key", b"fourth", if_absent=False).created
    assert store.read_bytes("key") == b"fourth"
    assert store.put_file("key", write_file("fifth", b"fifth"), if_absent=False).created
    assert store.read_bytes("key") == b"fifth"


def test_putting_the_same_content_again_is_fine(store: ObjectStore, write_file: Write) -> None:
    path = write_file("weights", b"ww")
    assert store.put_file("cas/aa", path, sha256=sha256(b"ww")).created
    assert not store.put_file("cas/aa", path, sha256=sha256(b"ww")).created


def test_other_content_under_the_same_hash_is_noticed(store: ObjectStore, write_file: Write) -> None:
    store.put_bytes("cas/aa", b"rotten")
    with pytest.raises(ObjectDiffers, match="cas/aa"):
        store.put_file("cas/aa", write_file("weights", b"good"), sha256=sha256(b"good"))
    assert store.read_bytes("cas/aa") == b"rotten"


def test_a_file_that_is_not_what_it_is_said_to_be_is_not_put(store: ObjectStore, write_file: Write) -> None:
    with pytest.raises(ObjectDamaged, match="weights"):
        store.put_file("cas/aa", write_file("weights", b"torn"), sha256=sha256(b"whole"))
    assert not store.exists("cas/aa")
    assert list(store.list()) == []


def test_a_file_that_is_not_there_is_not_put(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing, match="gone"):
        store.put_file("key", tmp_path / "gone")
    assert list(store.list()) == []


def test_of_many_writers_one_creates(store: ObjectStore) -> None:
    barrier = threading.Barrier(8)

    def put(number: int) -> bool:
        barrier.wait()
        return store.put_bytes("results/x/manifest.json", b"%d" % number).created

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(put, range(8)))
    assert created.count(True) == 1
    assert store.read_bytes("results/x/manifest.json") == b"%d" % created.index(True)


def test_delete(store: ObjectStore) -> None:
    seed(store, "a/b.h5", "a/c.h5")
    store.delete("a/b.h5")
    store.delete("a/b.h5")
    store.delete("never/was")
    assert [found.key for found in store.list()] == ["a/c.h5"]


def test_a_small_object_that_is_not_small_is_refused(store: ObjectStore) -> None:
    store.put_bytes("key", b"12345")
    assert store.read_bytes("key", max_bytes=5) == b"12345"
    with pytest.raises(StoreRefused, match="larger than 4 bytes"):
        store.read_bytes("key", max_bytes=4)


def test_probe_leaves_nothing_behind(store: ObjectStore) -> None:
    report = store.probe(write=True)
    assert (report.writable, report.conditional_writes) == (True, True)
    assert list(store.list()) == []
    assert not store.probe(write=False).writable


def test_fetch_into_a_folder_that_is_not_there(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes("key", b"x")
    with pytest.raises(Exception, match="nowhere/copy: cannot write: No such file or directory"):
        store.fetch("key", tmp_path / "nowhere" / "copy")


def test_a_range_is_of_the_version_that_was_asked_for(store: ObjectStore) -> None:
    store.put_bytes("a.h5", b"0123456789")
    found = store.stat("a.h5")
    assert store.read_range("a.h5", 0, 1) == b"0"
    assert store.read_range("a.h5", 4, 10, etag=found.etag) == b"456789"
    with pytest.raises(ObjectDamaged):
        store.read_range("a.h5", 8, 12, etag=found.etag)
    store.put_bytes("a.h5", b"other", if_absent=False)
    with pytest.raises(ObjectChanged):
        store.read_range("a.h5", 0, 1, etag=found.etag)
    with pytest.raises(ObjectMissing):
        store.read_range("b.h5", 0, 1)
