"""Which objects of a listing are models. Pure: a listing in, a listing out."""

from collections.abc import Iterable, Iterator

from scheduler.selection import EVERYTHING, Selection
from storage.errors import StorageError
from storage.store import ObjectInfo

#: What Keras has called its files; compared without regard to case.
SUFFIXES = (".h5", ".hdf5", ".keras")
#: Objects in a page. Each page is a transaction, of which what a page costs however long it is (making the statements,
#: asking and answering) is a third at 1,000 objects.
PAGE = 2500
#: The fleet's own folder in a destination. A destination may lie in its source, and models at work lie in
#: there.
STATE_FOLDER = ".fleet"


def models(listing: Iterable[ObjectInfo], selection: Selection = EVERYTHING) -> Iterator[ObjectInfo]:
    """The selected objects whose name says that they may hold a model; what is in them, the converter finds out."""
    return (found for found in listing if _may_be_a_model(found.key) and selection.takes(found.key))


def _may_be_a_model(key: str) -> bool:
    return key.lower().endswith(SUFFIXES) and STATE_FOLDER not in key.split("/")


def pages(listing: Iterable[ObjectInfo], size: int = PAGE) -> Iterator[list[ObjectInfo]]:
    """The listing in lists of at most `size`, none empty; if it fails, what came before comes first."""
    page: list[ObjectInfo] = []
    try:
        for found in listing:
            page.append(found)
            if len(page) == size:
                yield page
                page = []
    except StorageError:
        if page:
            yield page
        raise
    if page:
        yield page
