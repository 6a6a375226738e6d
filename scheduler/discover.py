"""Which objects of a listing are models. Pure: a listing in, a listing out."""

from collections.abc import Iterable, Iterator

from storage.store import ObjectInfo

#: What Keras has called its files; compared without regard to case.
SUFFIXES = (".h5", ".hdf5", ".keras")


def models(listing: Iterable[ObjectInfo]) -> Iterator[ObjectInfo]:
    """The objects whose name says that they may hold a model; what is in them, the converter finds out."""
    return (found for found in listing if found.key.lower().endswith(SUFFIXES))


def pages(listing: Iterable[ObjectInfo], size: int = 1000) -> Iterator[list[ObjectInfo]]:
    """The listing in lists of at most `size`, none of them empty."""
    page: list[ObjectInfo] = []
    for found in listing:
        page.append(found)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page
