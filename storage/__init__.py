"""Where models come from and bundles go: a local folder or an S3-compatible bucket, behind one protocol.

Knows objects and bytes, nothing of models or jobs; imports none of the other packages.
"""

from storage.local import LocalStore
from storage.store import ObjectInfo, ObjectStore, ProbeReport, PutResult, StoreSettings
from storage.url import S3Url, parse_url

__all__ = ["ObjectInfo", "ObjectStore", "ProbeReport", "PutResult", "StoreSettings", "open_store"]


def open_store(url: str, settings: StoreSettings | None = None) -> ObjectStore:
    """The store at a folder path, `file:///path` or `s3://bucket/prefix`. Opening touches nothing yet.

    Raises:
        errors.BadUrl: none of these.
    """
    match parse_url(url):
        case S3Url() as address:
            # boto3 costs 0.2 s and a process that only sees folders has no use for it.
            from storage.s3 import S3Store

            return S3Store(address, settings or StoreSettings())
        case folder:
            return LocalStore(folder)
