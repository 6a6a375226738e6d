"""The files of a folder in the order in which S3 would list them."""

import heapq
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from storage.errors import StoreRefused

TEMPORARY = ".tmp-"
"""How names begin that stand for files still being written."""

AT_ONCE = 50_000
"""Names of one folder that are held at a time: some 20 MB."""

log = logging.getLogger(__name__)


def walk(url: str, root: Path, prefix: str, start_after: str) -> Iterator[tuple[str, os.stat_result]]:
    """Keys below `root` that begin with `prefix` and come after `start_after`, one page per folder.

    Symbolic links to folders are not followed. One to a file is listed; reading it decides whether it
    may be. What cannot be listed (a name that is not UTF-8, a closed folder) does not stop the rest:
    the refusal comes last.
    """
    unlisted: list[str] = []
    after = os.fsencode(start_after)
    # Not recursive: a stranger's folders may nest deeper than Python's stack.
    levels = [_entries(root, "", unlisted)]
    while levels:
        if (found_next := next(levels[-1], None)) is None:
            levels.pop()
            continue
        name = found_next
        key = os.fsdecode(name)
        if key.endswith("/"):
            begun = name >= after[: len(name)]
            if begun and (key.startswith(prefix) or prefix.startswith(key)):
                levels.append(_entries(root / key, key, unlisted))
        elif key.startswith(prefix) and name > after:
            if not _is_text(key):
                unlisted.append(f"{_printable(key)} (its name is not UTF-8)")
            elif (found := _stat(root / key)) is not None:
                yield key, found
    if unlisted:
        raise StoreRefused(url, None, f"{len(unlisted)} names could not be listed, such as {unlisted[0]}")


def _entries(folder: Path, above: str, unlisted: list[str]) -> Iterator[bytes]:
    """Keys in the order of their bytes; a folder's key ends in `/`, as it does for S3.

    Memory holds `AT_ONCE` of them: a folder of a million files is read once for every so many.
    """
    after = b""
    while True:
        try:
            with os.scandir(folder) as entries:
                keys = _keys(entries, above, quiet=bool(after))
                batch = heapq.nsmallest(AT_ONCE, (key for key in keys if key > after))
        except FileNotFoundError:
            # Gone since its parent was read: then it has no objects.
            return
        except OSError as error:
            unlisted.append(f"{_printable(above) or folder} ({error.strerror})")
            return
        yield from batch
        if len(batch) < AT_ONCE:
            return
        after = batch[-1]


def _keys(entries: Iterator[os.DirEntry[str]], above: str, *, quiet: bool) -> Iterator[bytes]:
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield os.fsencode(f"{above}{entry.name}/")
        elif entry.is_dir():
            if not quiet:
                log.warning("%s: a symbolic link to a folder is not followed", entry.path)
        elif not entry.name.startswith(TEMPORARY):
            yield os.fsencode(above + entry.name)


def _stat(path: Path) -> os.stat_result | None:
    """None: not an object (a pipe, a socket), or gone since the folder was read."""
    try:
        found = path.stat()
    except OSError:
        # A link that leads nowhere is an object that cannot be read, which whoever fetches it will learn.
        return path.lstat() if path.is_symlink() else None
    return found if stat.S_ISREG(found.st_mode) else None


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def _printable(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()
