"""The files of a folder in the order in which S3 would list them."""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from storage.errors import StoreRefused

TEMPORARY = ".tmp-"
"""How names begin that stand for files still being written."""

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
        if not levels[-1]:
            levels.pop()
            continue
        key, entry = levels[-1].pop()
        name = os.fsencode(key)
        if key.endswith("/"):
            begun = name >= after[: len(name)]
            if begun and (key.startswith(prefix) or prefix.startswith(key)):
                levels.append(_entries(Path(entry.path), key, unlisted))
        elif key.startswith(prefix) and name > after:
            if not _is_text(key):
                unlisted.append(f"{_printable(key)} (its name is not UTF-8)")
            elif (found := _stat(entry)) is not None:
                yield key, found
    if unlisted:
        raise StoreRefused(url, None, f"{len(unlisted)} names could not be listed, such as {unlisted[0]}")


def _entries(folder: Path, above: str, unlisted: list[str]) -> list[tuple[str, os.DirEntry[str]]]:
    """Keys in falling order of their bytes, to be popped; a folder's key ends in `/`, as it does for S3."""
    named = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    named.append((f"{above}{entry.name}/", entry))
                elif entry.is_dir():
                    log.warning("%s: a symbolic link to a folder is not followed", entry.path)
                elif not entry.name.startswith(TEMPORARY):
                    named.append((above + entry.name, entry))
    except FileNotFoundError:
        # Gone since its parent was read: then it has no objects.
        return []
    except OSError as error:
        unlisted.append(f"{_printable(above) or folder} ({error.strerror})")
        return []
    return sorted(named, key=lambda item: os.fsencode(item[0]), reverse=True)


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    """None: not an object (a pipe, a socket), or gone since the folder was read."""
    try:
        found = entry.stat()
    except OSError:
        # A link that leads nowhere is an object that cannot be read, which whoever fetches it will learn.
        return entry.stat(follow_symlinks=False) if entry.is_symlink() else None
    return found if stat.S_ISREG(found.st_mode) else None


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def _printable(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()
