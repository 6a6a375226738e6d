"""Stores that list what they make up, for listings larger than any folder a test would make."""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from storage.store import ObjectInfo

_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class MadeUp:
    """Lists `count` models; made as it is read, so that it holds none of them. `etags` are those that differ."""

    count: int
    etags: dict[int, str] = field(default_factory=dict)
    listed: int = 0
    url: str = "/made-up"

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[ObjectInfo]:
        numbers = range(self.count)
        first = 0 if start_after is None else bisect.bisect_right(numbers, start_after, key=key_of)
        for number in numbers[first:]:
            key = key_of(number)
            if key.startswith(prefix):
                self.listed += 1
                etag = self.etags.get(number, "e")
                yield ObjectInfo(key=key, size=1, etag=etag, version_id=None, last_modified=_MOMENT)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"planning must only list, and this is {name}")


def key_of(number: int) -> str:
    return f"models/{number:09}.h5"
