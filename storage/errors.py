"""Every way a store can fail, each one line that names the store and the object.

`StoreUnavailable` and what derives from it may pass if tried again later; everything else will not.
"""


class StorageError(Exception):
    """Something is wrong with a store or an object in it."""

    kind = "storage"
    """Kebab-case name that reports and databases keep."""

    def __init__(self, url: str, key: str | None, problem: str) -> None:
        place = url if not key else f"{url.rstrip('/')}/{key}"
        super().__init__(" ".join(f"{place}: {problem}".split()))
        self.url = url
        self.key = key


class BadUrl(StorageError):
    """This is no address of a store."""

    kind = "bad-url"

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(repr(url), None, problem)


class BadKey(StorageError):
    """A key that cannot be a file below the store's root."""

    kind = "bad-key"


class StoreUnavailable(StorageError):
    """No answer, or an answer that says to try again."""

    kind = "store-unavailable"


class DiskFull(StoreUnavailable):
    """No space left where the bytes should go."""

    kind = "disk-full"


class ObjectDamaged(StoreUnavailable):
    """The bytes received are not the bytes that were stored. Often the way is to blame, so it may pass."""

    kind = "object-damaged"


class StoreMissing(StorageError):
    """There is no such folder or bucket."""

    kind = "store-missing"


class StoreRefused(StorageError):
    """The store is there and will not let us."""

    kind = "store-refused"


class ObjectMissing(StorageError):
    """There is no such object."""

    kind = "object-missing"


class ObjectChanged(StorageError):
    """The object is no longer the version that was listed."""

    kind = "object-changed"


class ObjectDiffers(StorageError):
    """An object that must not be replaced holds other content."""

    kind = "object-differs"
