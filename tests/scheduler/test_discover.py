from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from scheduler import discover
from storage.errors import StoreUnavailable
from storage.store import ObjectInfo


def found(key: str) -> ObjectInfo:
    return ObjectInfo(
        key=key, size=1, etag="e", version_id=None, last_modified=datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_only_names_that_may_hold_a_model() -> None:
    names = ["a.h5", "b.HDF5", "c/d.keras", "e.h5.bak", "README.md", "h5", "out/.fleet/scratch/a.h5"]
    assert [info.key for info in discover.models(map(found, names))] == ["a.h5", "b.HDF5", "c/d.keras"]


def test_a_listing_that_fails_gives_out_what_it_had() -> None:
    def failing() -> Iterator[ObjectInfo]:
        yield found("a.h5")
        raise StoreUnavailable("s3://bucket", None, "503")

    pages = discover.pages(failing())
    assert [info.key for info in next(pages)] == ["a.h5"]
    with pytest.raises(StoreUnavailable):
        next(pages)


def test_pages_are_full_but_the_last_and_never_empty() -> None:
    sizes = [len(page) for page in discover.pages((found(str(n)) for n in range(7)), size=3)]
    assert sizes == [3, 3, 1]
    assert list(discover.pages(iter([]))) == []
    assert [len(page) for page in discover.pages(map(found, "abc"), size=3)] == [3]
