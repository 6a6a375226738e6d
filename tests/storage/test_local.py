import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from storage import open_store
from storage.errors import (
    BadKey,
    ObjectChanged,
    ObjectMissing,
    StorageError,
    StoreMissing,
    StoreRefused,
)
from storage.local import LocalStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "models"
    root.mkdir()
    (root / "a.h5").write_bytes(b"model")
    return root


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../a.h5", "x/../../a.h5", "./a.h5", "x//a.h5", "a\0.h5", "x/"]
)
def test_no_key_leads_out_of_the_folder(root: Path, key: str) -> None:
    store = LocalStore(root)
    for attempt in (store.stat, store.read_bytes, store.delete, lambda key: store.put_bytes(key, b"")):
        with pytest.raises(BadKey):
            attempt(key)


def test_no_link_leads_out_of_the_folder(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s")
    (tmp_path / "outside").mkdir()
    (root / "link.h5").symlink_to(secret)
    (root / "folder").symlink_to(tmp_path / "outside")
    store = LocalStore(root)
    with pytest.raises(StoreRefused, match="out of the folder"):
        store.fetch("link.h5", tmp_path / "copy")
    with pytest.raises(StoreRefused, match="out of the folder"):
        store.put_bytes("folder/new", b"x")
    assert list((tmp_path / "outside").iterdir()) == []


def test_links_are_listed_only_where_they_are_objects(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A link to a file is a job that will say why it failed; a link to a folder could be a loop."""
    (root / "inside.h5").symlink_to(root / "a.h5")
    (root / "dangling.h5").symlink_to(root / "gone.h5")
    (root / "loop").symlink_to(root)
    store = LocalStore(root)
    with caplog.at_level(logging.WARNING):
        assert [found.key for found in store.list()] == ["a.h5", "dangling.h5", "inside.h5"]
    assert "loop" in caplog.text
    assert store.read_bytes("inside.h5") == b"model"
    with pytest.raises(ObjectMissing):
        store.fetch("dangling.h5", tmp_path / "copy")


def test_what_is_no_regular_file_is_no_object(root: Path) -> None:
    os.mkfifo(root / "pipe.h5")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
        store = LocalStore(root)
        assert [found.key for found in store.list()] == ["a.h5"]
        with pytest.raises(ObjectMissing, match="not a regular file"):
            store.read_bytes("pipe.h5")


def test_names_that_are_not_utf8_come_last_and_stop_nothing(root: Path) -> None:
    (root / os.fsdecode(b"0-bad-\xff.h5")).write_bytes(b"")
    listing = LocalStore(root).list()
    assert next(listing).key == "a.h5"
    with pytest.raises(StoreRefused, match=r"1 names could not be listed, such as 0-bad-.*UTF-8"):
        next(listing)


def test_folders_may_nest_deeper_than_the_stack(root: Path) -> None:
    folders = [root]
    try:
        for _ in range(1200):
            folders.append(folders[-1] / "d")
            folders[-1].mkdir()
        assert [found.key for found in LocalStore(root).list()] == ["a.h5"]
    finally:
        # Whoever cleans up after the tests recurses, and would overflow.
        for folder in reversed(folders[1:]):
            folder.rmdir()


def test_a_missing_folder(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "none")
    with pytest.raises(StoreMissing, match="none: no such folder"):
        list(store.list())
    with pytest.raises(StoreMissing):
        store.probe(write=False)
    assert store.put_bytes("a", b"").created, "a destination is made when first used"


def test_a_file_is_no_folder(root: Path) -> None:
    store = LocalStore(root / "a.h5")
    with pytest.raises(StoreMissing):
        list(store.list())
    with pytest.raises(StoreRefused):
        store.put_bytes("b", b"")


def test_a_file_written_to_while_being_copied_is_refused(root: Path, tmp_path: Path) -> None:
    growing = root / "growing.h5"
    growing.write_bytes(b"x" * (64 << 20))
    done = threading.Event()

    def append() -> None:
        with growing.open("ab", buffering=0) as file:
            while not done.is_set():
                file.write(b"y")
                time.sleep(0.0005)

    writer = threading.Thread(target=append)
    writer.start()
    try:
        with pytest.raises(ObjectChanged, match="written to while being read"):
            LocalStore(root).fetch("growing.h5", tmp_path / "copy")
    finally:
        done.set()
        writer.join()
    assert list(tmp_path.iterdir()) == [root]


def test_one_address_however_it_is_spelled(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    (root.parent / "alias").symlink_to(root)
    spellings = [str(root), f"{root}/", "models", "./models/../models", f"file://{root}", "alias"]
    assert {open_store(spelling).url for spelling in spellings} == {str(root)}


_DIE_BEFORE_NAMING = """
import os, sys
from pathlib import Path
from storage import local
local._name = lambda *_, **__: os._exit(9)
local.LocalStore(Path(sys.argv[1])).put_bytes("a/b.h5", b"half")
"""


def test_a_crash_while_writing_leaves_nothing_that_is_listed(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _DIE_BEFORE_NAMING, str(tmp_path / "s")], check=False)
    assert done.returncode == 9
    store = LocalStore(tmp_path / "s")
    assert list(store.list()) == []
    assert store.put_bytes("a/b.h5", b"whole").created


# No file may grow above 1 MiB: to the program the same as a disk that is full, and no root needed.
_FULL_DISK = """
import resource, sys
from pathlib import Path
from storage import open_store
from storage.errors import DiskFull
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
store, big, scratch = open_store(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
for attempt in (
    lambda: store.put_file("cas/big", big),
    lambda: store.put_bytes("cas/big", big.read_bytes()),
    lambda: open_store(str(big.parent)).fetch(big.name, scratch / "copy"),
):
    try:
        attempt()
    except DiskFull as error:
        print(error)
"""


def test_a_full_disk_is_named_and_nothing_half_written_stays(tmp_path: Path) -> None:
    source, scratch = tmp_path / "source", tmp_path / "scratch"
    source.mkdir()
    scratch.mkdir()
    (source / "big").write_bytes(b"x" * (3 << 20))
    arguments = [str(tmp_path / "store"), str(source / "big"), str(scratch)]
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, *arguments], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        f"{tmp_path}/store/cas/big: File too large",
        f"{tmp_path}/store/cas/big: File too large",
        f"{scratch}/copy: cannot write: File too large",
    ]
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [source / "big"]


def test_a_closed_folder_is_named(tmp_path: Path) -> None:
    """Root may write anywhere, but not where nobody can: on a read-only file system."""
    with pytest.raises(StorageError, match="/proc/fleet-test/a: "):
        LocalStore(Path("/proc/fleet-test")).put_bytes("a", b"")
